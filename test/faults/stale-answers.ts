/**
 * Servers that introspect the same tokens all the time, so that each has their answers in memory, and what must never
 * happen meanwhile: that one of them says of a token what was true before a change that another has acknowledged.
 */
import assert from 'node:assert/strict';
import { OPAQUE_RESOURCE, RESOURCE, tablesOf } from '../support/server.ts';
import { until } from '../support/until.ts';
import { ask } from './child-server.ts';

/** Requests that are always under way. */
const LOADING = 8;
/** Tokens that are asked about all the time. */
const HOT = 40;

export interface HotCaches {
  /** Revokes tokens that are under load, each through another server than the one before, and asks all of them at once. */
  revoke(amount: number): Promise<void>;
  /** All servers say of all hot tokens that they allow this. @param tables as of `tablesOf` */
  requireTables(tables: Record<string, string>): Promise<void>;
  /** Wrong answers. */
  readonly stale: readonly string[];
  /** Answers that were looked at. */
  asked(): number;
  stop(): Promise<void>;
}

/** @param issuers of the servers */
export async function heatCaches(issuers: readonly string[]): Promise<HotCaches> {
  const stale: string[] = [];
  const hot: string[] = [];
  const revoking = new Set<string>();
  /** By an answer that has come. */
  const revoked = new Set<string>();
  let asked = 0;
  let running = true;

  const at = (index: number): string => issuers[index % issuers.length] as string;
  async function issue(index: number): Promise<string> {
    const resource = index % 2 === 0 ? RESOURCE : OPAQUE_RESOURCE;
    const form = { grant_type: 'client_credentials', resource };
    const answer = await ask(at(index), '/oauth/token', 'machine', form);
    assert.equal(answer?.status, 200, JSON.stringify(answer?.json));
    return answer.json.access_token;
  }
  async function introspect(issuer: string, token: string): Promise<Record<string, any>> {
    const wasRevoked = revoked.has(token);
    const { json = {} } = (await ask(issuer, '/oauth/introspect', 'shop-api', { token })) ?? {};
    asked += 1;
    if (wasRevoked && json.active !== false) stale.push(`revoked, and yet ${JSON.stringify(json)}`);
    if (!revoking.has(token) && json.active !== true) stale.push(`not revoked: ${JSON.stringify(json)}`);
    return json;
  }
  const everywhere = (token: string) => Promise.all(issuers.map((issuer) => introspect(issuer, token)));

  while (hot.length < HOT) hot.push(await issue(hot.length));
  const loading = Array.from({ length: LOADING }, async (_, worker) => {
    for (let index = worker; running; index += 1) await introspect(at(index), hot[(index * 7) % HOT] ?? '');
  });
  await until('the answers are hot', () => asked >= 2 * HOT * issuers.length);

  return {
    stale,
    asked: () => asked,
    async revoke(amount) {
      for (let index = 0; index < amount; index += 1) {
        const token = await issue(index);
        await everywhere(token);
        const place = index % HOT;
        const victim = hot[place] as string;
        revoking.add(victim);
        const answer = await ask(at(index), '/oauth/revoke', 'machine', { token: victim });
        assert.equal(answer?.status, 200);
        revoked.add(victim);
        await everywhere(victim);
        hot[place] = token;
      }
    },
    async requireTables(tables) {
      for (const token of hot) {
        for (const json of await everywhere(token)) {
          if (JSON.stringify(tablesOf(json)) !== JSON.stringify(tables)) stale.push(JSON.stringify(json));
        }
      }
    },
    async stop() {
      running = false;
      await Promise.all(loading);
    },
  };
}
