/** Exchanges (RFC 8693), and what it takes to end what came of them. */
import type { BenchConnections } from './connections.ts';
import { clientOf } from './directory.ts';
import { ask, load, type Target } from './load.ts';
import type { BenchServer } from './processes.ts';

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
const CONNECTION_TOKEN = 'urn:grantable:token-type:connection';

/** A single write is over soon: so many of them for one figure. */
const ENDS = 15;

/** Trades a connection token or an access token. */
export function exchanging({ url }: BenchServer, subjectToken: string): Target {
  const type = subjectToken.startsWith('gct_') ? CONNECTION_TOKEN : ACCESS_TOKEN;
  return {
    url: `${url}/oauth/token`,
    ...clientOf('trader'),
    form: { grant_type: EXCHANGE, subject_token: subjectToken, subject_token_type: type },
  };
}

/** @returns a token that is so many exchanges away */
export async function descend(grantable: BenchServer, token: string, depth: number): Promise<string> {
  if (depth === 0) return token;
  const child = (await ask(exchanging(grantable, token))).access_token ?? '';
  return descend(grantable, child, depth - 1);
}

/**
 * @param sizes how many descendants each connection has; all of them live when it is ended for the first time
 * @returns milliseconds that each end took
 * @throws Error if a descendant outlives it
 */
export async function measureEnds<Name extends string>(
  grantable: BenchServer,
  connections: BenchConnections,
  sizes: Record<Name, number>,
): Promise<Record<Name, number[]>> {
  // What is done for the first time takes longer.
  await connections.create('first of all');
  await connections.end('first of all');
  const all = Object.entries<number>(sizes).map(([name, amount]) => ({ name, amount, took: [] as number[] }));
  const living = new Map<string, string>();
  for (const { name, amount } of all) {
    const token = await connections.create(name);
    await load(exchanging(grantable, token), { amount });
    living.set(name, await descend(grantable, token, 3));
  }
  for (let round = 0; round < ENDS; round += 1) {
    for (const { name, took } of all) {
      took.push(await connections.end(name));
      const form = { token: living.get(name) ?? '' };
      const { active } = await ask({ url: `${grantable.url}/oauth/introspect`, ...clientOf('api'), form });
      if (String(active) !== 'false') throw new Error(`what was made from ${name} outlived it`);
      await connections.restore(name);
    }
  }
  return Object.fromEntries(all.map(({ name, took }) => [name, took])) as Record<Name, number[]>;
}
