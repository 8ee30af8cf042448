/** A proxy that ends TLS in front of a started server, as in production. */
import { readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream';
import type { Certificate } from './tls.ts';

export interface TlsFront extends AsyncDisposable {
  readonly origin: string;
}

/**
 * @param hostname in its origin: browsers find every name below `localhost` on this machine
 * @param port where requests go, asked at each: the server behind needs this front's origin as its issuer
 */
export async function startTlsFront(
  certificate: Certificate,
  hostname: string,
  port: () => number,
): Promise<TlsFront> {
  const key = await readFile(certificate.keyFile);
  const front = createServer({ key, cert: certificate.pem }, (incoming, outgoing) => {
    const { method = '', url = '', headers, socket } = incoming;
    const forwarded = { 'x-forwarded-proto': 'https', 'x-forwarded-for': socket.remoteAddress };
    const asked = request(
      { port: port(), host: '127.0.0.1', method, path: url, headers: { ...headers, ...forwarded } },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
        pipeline(answer, outgoing, () => {});
      },
    );
    pipeline(incoming, asked, (error) => error && outgoing.destroy());
  });
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
  return {
    origin: `https://${hostname}:${(front.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      front.closeAllConnections();
      await new Promise((resolve) => front.close(resolve));
    },
  };
}
