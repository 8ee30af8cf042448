/** Certificates of servers in tests, made by OpenSSL. */
import { execFileSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface Certificate {
  readonly keyFile: string;
  readonly certFile: string;
  /** PEM; it is its own issuer. */
  readonly pem: string;
}

/** @param names what the certificate is for, as OpenSSL writes it */
export async function makeCertificate(
  folder: string,
  names: readonly string[] = ['DNS:localhost', 'IP:127.0.0.1'],
): Promise<Certificate> {
  const [keyFile, certFile] = [join(folder, 'server.key'), join(folder, 'server.crt')];
  execFileSync(
    'openssl',
    [
      ...[
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-days',
        '2',
      ],
      ...['-subj', '/CN=localhost', '-addext', `subjectAltName=${names.join(',')}`],
      ...['-keyout', keyFile, '-out', certFile],
    ],
    { stdio: 'ignore' },
  );
  chmodSync(keyFile, 0o600);
  return { keyFile, certFile, pem: await readFile(certFile, 'utf8') };
}
