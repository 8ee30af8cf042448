/** Versions of objects as entity tags: `"7"` is version 7 (RFC 9110 section 8.8.3). */
import type { Context } from 'koa';
import { MalformedRequest } from '../../errors/domain.ts';
import { Refusal } from '../../http/refusal.ts';

const OURS = /^"([1-9]\d{0,14})"$/;
const ANY_ONE = /^"[!#-~\x80-\xff]*"$/;

export const toTag = (version: number): string => `"${version}"`;

/** What a request is answered with whose `If-Match` is not the version of the object. */
export function preconditionFailed(): Refusal {
  return new Refusal(412, 'The object was changed meanwhile. Read it again, and send its ETag as If-Match.', {
    error: 'precondition_failed',
  });
}

/**
 * The version that a change takes for granted. Only the one strong tag that an answer had is taken: `*` would overwrite
 * what the client has never seen.
 * @throws Refusal 428 if it is missing, 412 for a tag that is not of a version; MalformedRequest for anything else
 */
export function requireIfMatch(ctx: Context): number {
  const header = ctx.get('If-Match');
  if (header === '') {
    throw new Refusal(428, 'Send the ETag of the object as If-Match.', { error: 'precondition_required' });
  }
  const [, version] = OURS.exec(header) ?? [];
  if (version !== undefined) return Number(version);
  if (ANY_ONE.test(header)) throw preconditionFailed();
  throw new MalformedRequest({
    description:
      'If-Match is not one strong entity tag. Send the ETag of the object as it was answered, not * or W/.',
  });
}

/** Whether the client has this version already (RFC 9110 section 13.1.2). */
export function isKnown(ctx: Context, version: number): boolean {
  const header = ctx.get('If-None-Match');
  if (header === '') return false;
  const tags = header.split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  return tags.includes('*') || tags.includes(toTag(version));
}
