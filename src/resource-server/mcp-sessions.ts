/**
 * Session ids of MCP that say whose they are, so that nothing must be remembered: an id is good for the user and the client whose
 * token began the session. Sessions live in the memory of a process, and so does the key.
 */
import { createHmac, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto';
import { type AccessAnswer, UNCACHED } from './access.ts';
import type { VerifiedToken } from './verified-token.ts';

export function createSessionIds() {
  const key = randomBytes(32);
  const bind = (id: string, { subject, clientId }: VerifiedToken): string => {
    const mac = createHmac('sha256', key).update(JSON.stringify([id, subject, clientId]));
    return `${id}.${mac.digest('base64url')}`;
  };
  return {
    create: (token: VerifiedToken): string => bind(randomUUID(), token),
    /** @param id of a request; null without one */
    isOwn(id: string | null, token: VerifiedToken): boolean {
      if (id === null) return true;
      const [name = ''] = id.split('.', 1);
      const [wanted, given] = [Buffer.from(bind(name, token)), Buffer.from(id)];
      return wanted.length === given.length && timingSafeEqual(wanted, given);
    },
  };
}

/** What a transport says of an unknown session: the client then begins a new one. */
export const SESSION_NOT_FOUND: AccessAnswer = {
  status: 404,
  headers: UNCACHED,
  body: { jsonrpc: '2.0', error: { code: -32001, message: 'Session not found' }, id: null },
};
