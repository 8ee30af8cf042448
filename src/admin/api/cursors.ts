/**
 * Cursors of lists. The store's own cursor leaves the server signed, together with who asked for what: it continues that
 * list only, for that actor.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { Refusal } from '../../http/refusal.ts';
import type { SecretRing } from '../../storage/vault.ts';

const MAC_BYTES = 16;
const CURSOR = /^([\w-]*)\.([\w-]{22})$/;

/** @param ring keys of their own */
export function createCursors(ring: Pick<SecretRing, 'current' | 'all'>) {
  const macOf = (key: Buffer, cursor: string, list: readonly string[]): Buffer =>
    createHmac('sha256', key)
      .update(JSON.stringify([cursor, ...list]))
      .digest()
      .subarray(0, MAC_BYTES);
  return {
    /** @param list who asks for what, as texts */
    sign(cursor: string, list: readonly string[]): string {
      const mac = macOf(ring.current().key, cursor, list);
      return `${Buffer.from(cursor).toString('base64url')}.${mac.toString('base64url')}`;
    },
    /** @throws Refusal 400 for a cursor that was not signed for this list */
    open(signed: string, list: readonly string[]): string {
      const [, written = '', mac = ''] = CURSOR.exec(signed) ?? [];
      const cursor = Buffer.from(written, 'base64url').toString();
      const given = Buffer.from(mac, 'base64url');
      const isOurs =
        given.length === MAC_BYTES &&
        ring.all().some(({ key }) => timingSafeEqual(macOf(key, cursor, list), given));
      if (isOurs) return cursor;
      throw new Refusal(400, 'The cursor in after is not of this list. Begin again without it.', {
        error: 'invalid_cursor',
      });
    },
  };
}

/** What a cursor is bound to beside the actor and the operation: all query parameters but where and how far to go on. */
export function boundQuery({
  after: _after,
  limit: _limit,
  ...others
}: Readonly<Record<string, string>>): string {
  return JSON.stringify(Object.entries(others).sort(([a], [b]) => (a < b ? -1 : 1)));
}
