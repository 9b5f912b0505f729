/*
 * constant - a FastCGI program that answers every request with the same bytes: what libfcgi and
 * nginx allow a program that does nothing.  make bench names it as a reference.
 */
#include <fcgiapp.h>

static const char answer[] = "Status: 200 OK\r\n"
			     "Content-Type: application/json\r\n"
			     "Cache-Control: no-store\r\n"
			     "Content-Length: 16\r\n"
			     "\r\n"
			     "{\"status\":\"ok\"}\n";

int
main(void)
{
	FCGX_Request q;
	if (FCGX_Init() != 0 || FCGX_InitRequest(&q, 0, 0) != 0)
		return 1;
	while (FCGX_Accept_r(&q) == 0) {
		FCGX_PutStr(answer, sizeof(answer) - 1, q.out);
		FCGX_Finish_r(&q);
	}
	return 0;
}
