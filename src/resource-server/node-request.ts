/** What the bindings for frameworks over Node's requests have in common. */
import type { TokenRequest } from './access.ts';

/** The little of Node's request that is needed. */
export interface NodeRequest {
  readonly rawHeaders: readonly string[];
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly url?: string | undefined;
}

/** Node drops a second Authorization header, so this reads the raw headers. */
export function tokenRequestOf({ rawHeaders, headers, url = '' }: NodeRequest): TokenRequest {
  const sent = rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === 'authorization');
  return { authorization: sent.length > 1 ? sent : headers.authorization, url };
}

/** Without the query. */
export function pathOf(url: string): string {
  const end = url.indexOf('?');
  return end < 0 ? url : url.slice(0, end);
}
