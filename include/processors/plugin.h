/*
 * plugin - what main() needs to know of plug-ins: the program is started anew, with one argument
 * that is no command for people, as the process that a plug-in runs in.
 */
#ifndef CRONWARD_PROCESSORS_PLUGIN_H
#define CRONWARD_PROCESSORS_PLUGIN_H

#define PLUGIN_HOST_COMMAND "processor-child"

/* argv: program, PLUGIN_HOST_COMMAND, pid of the parent, path of the plug-in.  An exit code. */
int plugin_host(int argc, char **argv);

#endif
