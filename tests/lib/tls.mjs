// Certificates for receivers and nginx, made by openssl once per process.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { tempFolder } from './clean.mjs';
import { mustSync } from './process.mjs';

let made;

// { ca, key, cert, caFile, keyFile, certFile } valid for 127.0.0.1, 127.0.0.2 and localhost.
export function certificates() {
  made ??= make();
  return made;
}

// One that nobody has signed and no client trusts.
export function strangerCertificate() {
  const folder = tempFolder('tls');
  const [key, cert] = ['key', 'cert'].map((name) => path.join(folder, `${name}.pem`));
  selfSigned(key, cert, 'stranger', []);
  return { key: readFileSync(key), cert: readFileSync(cert) };
}

function selfSigned(key, cert, name, more) {
  mustSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
    '-subj', `/CN=${name}`, '-keyout', key, '-out', cert, ...more]);
}

function make() {
  const folder = tempFolder('tls');
  const file = (name) => path.join(folder, name);
  selfSigned(file('ca.key'), file('ca.pem'), 'cronward test authority', []);
  mustSync('openssl', ['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=receiver',
    '-addext', 'subjectAltName=IP:127.0.0.1,IP:127.0.0.2,DNS:localhost', '-keyout', file('key.pem'), '-out', file('csr.pem')]);
  mustSync('openssl', ['x509', '-req', '-in', file('csr.pem'), '-CA', file('ca.pem'), '-CAkey', file('ca.key'),
    '-set_serial', '1', '-days', '2', '-copy_extensions', 'copy', '-out', file('cert.pem')]);
  return {
    caFile: file('ca.pem'), keyFile: file('key.pem'), certFile: file('cert.pem'),
    ca: readFileSync(file('ca.pem')), key: readFileSync(file('key.pem')), cert: readFileSync(file('cert.pem')),
  };
}
