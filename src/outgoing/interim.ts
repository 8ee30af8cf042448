/** Interim answers, such as early hints: a server that sends nothing else would keep this one busy until the time is up. */
import type { ClientRequest } from 'node:http';

const MAX_INTERIM = 5;

/** Ends the request with an error after more of them than an honest server sends. */
export function limitInterim(request: ClientRequest): ClientRequest {
  let count = 0;
  return request.on('information', () => {
    count += 1;
    if (count > MAX_INTERIM) request.destroy(new Error('the server sends interim answers only'));
  });
}
