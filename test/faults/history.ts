/** What a load client did and was told, and whether a server that fared badly meanwhile kept its word. */
import assert from 'node:assert/strict';
import { PASSWORD, REDIRECT_URI } from '../support/server.ts';
import { type Answer, ask } from './child-server.ts';

/** Milliseconds in which a refresh whose answer was lost may be retried; after that it counts as reuse. */
export const RETRIED_WITHIN_MS = 5_000;

/** One login: its refresh tokens in order; the last is the one that the client holds. */
interface Login {
  readonly refreshTokens: string[];
  /** Until when the server certainly takes the last one again, whose answer was lost; by `performance.now()`. */
  retriedUntil?: number;
}

export interface Code {
  readonly value: string;
  readonly verifier: string;
}

export interface History {
  /** Access tokens that were given out, and not asked to be revoked. */
  readonly issued: string[];
  /** Whose revocation was answered with success. */
  readonly revoked: string[];
  readonly logins: Login[];
  /** Codes whose redemption was answered with success. */
  readonly redeemed: Code[];
  /** Answers that were neither a success nor what the load allowed. */
  readonly oddities: string[];
  /** Answers that said to come again. */
  refused: number;
  /** Requests that were not answered. */
  unanswered: number;
}

export interface Load {
  readonly workers: number;
  /** By default it ends when the server goes away. */
  readonly isOver?: () => boolean;
  /** Whether an answer says properly that nothing was done and to come again. By default none may. */
  readonly isRefusal?: (answer: Answer) => boolean;
}

export function createHistory(): History {
  return { issued: [], revoked: [], logins: [], redeemed: [], oddities: [], refused: 0, unanswered: 0 };
}

/** How much was promised so far. */
export const promisesOf = ({ issued, revoked, logins, redeemed }: History): number =>
  issued.length + revoked.length + logins.length + redeemed.length;

/** Asks for, refreshes, redeems, introspects and revokes tokens. */
export async function load(
  issuer: string,
  history: History,
  codes: Code[],
  { workers, isOver = () => false, isRefusal = () => false }: Load,
): Promise<void> {
  async function work(index: number): Promise<void> {
    let login: Login | undefined;
    let mine: string | undefined;
    for (let turn = 0; !isOver(); turn += 1) {
      const kind = (turn + index) % 6;
      let answer: Awaited<ReturnType<typeof ask>>;
      if (kind === 0) {
        answer = await ask(issuer, '/oauth/token', 'machine', { grant_type: 'client_credentials' });
        if (answer?.status === 200) {
          mine = answer.json.access_token as string;
          history.issued.push(mine);
        }
      } else if (kind === 1 && !login) {
        answer = await ask(issuer, '/oauth/token', 'shop', {
          grant_type: 'password',
          username: 'ann',
          password: PASSWORD,
        });
        if (answer?.status === 200) {
          login = { refreshTokens: [answer.json.refresh_token] };
          history.logins.push(login);
        }
      } else if (kind === 2 && codes.length > 0) {
        const code = codes.pop() as Code;
        answer = await ask(issuer, '/oauth/token', 'web', {
          grant_type: 'authorization_code',
          code: code.value,
          code_verifier: code.verifier,
          redirect_uri: REDIRECT_URI,
        });
        // One whose redemption failed may be used up: the person would log in anew.
        if (answer?.status === 200) history.redeemed.push(code);
      } else if (kind === 5 && mine !== undefined) {
        answer = await ask(issuer, '/oauth/introspect', 'shop-api', { token: mine });
        if (answer?.status === 200 && answer.json.active !== true)
          history.oddities.push('I4 a living token is inactive');
      } else if (kind === 3) {
        const made = await ask(issuer, '/oauth/token', 'machine', { grant_type: 'client_credentials' });
        const token = made?.json.access_token;
        answer = token ? await ask(issuer, '/oauth/revoke', 'machine', { token }) : made;
        if (token && answer?.status === 200) history.revoked.push(token);
      } else if (login) {
        const presented = login.refreshTokens.at(-1) ?? '';
        const retriedUntil = performance.now() + RETRIED_WITHIN_MS;
        answer = await ask(issuer, '/oauth/token', 'shop', {
          grant_type: 'refresh_token',
          refresh_token: presented,
        });
        if (answer?.status === 200) login.refreshTokens.push(answer.json.refresh_token);
        if (!answer) login.retriedUntil = retriedUntil;
      } else {
        continue;
      }
      if (!answer) {
        history.unanswered += 1;
        return;
      }
      if (isRefusal(answer)) {
        history.refused += 1;
        continue;
      }
      // Ten logins of one person at the same time look like guessing.
      if (![200, 429].includes(answer.status))
        history.oddities.push(`${kind}: ${answer.status} ${JSON.stringify(answer.json)}`);
    }
  }
  await Promise.all(Array.from({ length: workers }, (_, index) => work(index)));
}

/** Invariants I1, I2, I4 and I6, asked of the server that came back. */
export async function checkHistory(issuer: string, history: History): Promise<void> {
  assert.deepEqual(history.oddities, [], 'I6 every answer was right or none');
  // First, because what was lost may be retried for a short time only.
  for (const { refreshTokens, retriedUntil } of history.logins) {
    const held = refreshTokens.at(-1) ?? '';
    const refresh = (token: string) =>
      ask(issuer, '/oauth/token', 'shop', { grant_type: 'refresh_token', refresh_token: token });
    const answer = await refresh(held);
    const isTooLate = retriedUntil !== undefined && performance.now() > retriedUntil;
    if (!isTooLate) assert.equal(answer?.status, 200, 'nobody was logged out');
    const used = refreshTokens.at(-3);
    if (used) assert.equal((await refresh(used))?.status, 400, 'I1 no refresh token is honoured twice');
  }
  const isActive = async (token: string) =>
    (await ask(issuer, '/oauth/introspect', 'shop-api', { token }))?.json.active;
  for (const token of history.revoked)
    assert.equal(await isActive(token), false, 'I2 what was revoked is dead');
  for (const token of history.issued)
    assert.equal(await isActive(token), true, 'I4 what was given out has its row');
  for (const code of history.redeemed) {
    const again = await ask(issuer, '/oauth/token', 'web', {
      grant_type: 'authorization_code',
      code: code.value,
      code_verifier: code.verifier,
      redirect_uri: REDIRECT_URI,
    });
    assert.equal(again?.json.error, 'invalid_grant', 'I1 no code is honoured twice');
  }
}
