/**
 * Forms that only the page they stand on can send (WB-03): a token bound to what the browser holds in a cookie, and
 * no request that a browser says came from elsewhere.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Context } from 'koa';
import { Refusal } from '../http/refusal.ts';
import type { SecretRing } from '../storage/vault.ts';

export interface Forms {
  /** @param binding what the browser holds: an interaction's id, a cookie's value */
  token(binding: string, purpose: string): string;
  /** The fields of a posted form, once the token and the origin are right. @throws Refusal 403 */
  require(ctx: Context, binding: string, purpose: string): Readonly<Record<string, string>>;
}

/** The field that holds the token. */
export const FORM_TOKEN = 'form_token';

function refuse(reason: string): never {
  throw new Refusal(403, 'This form was not sent from its page. Go back, reload the page and try again.', {
    error: 'access_denied',
    reason,
  });
}

export function createForms({ issuer, formKeys: keys }: { issuer: string; formKeys: SecretRing }): Forms {
  const tokenUnder = (key: Buffer, binding: string, purpose: string): string =>
    createHmac('sha256', key).update(`${purpose}\0${binding}`).digest('base64url');

  function requireOwnOrigin(ctx: Context): void {
    const origin = ctx.get('Origin');
    // A page with the referrer policy `no-referrer` posts with the opaque origin.
    if (origin !== '' && origin !== 'null' && origin !== issuer) refuse('form of another origin');
    const site = ctx.get('Sec-Fetch-Site');
    if (site !== '' && site !== 'same-origin' && site !== 'none') refuse('form of another site');
  }

  return {
    token: (binding, purpose) => tokenUnder(keys.current().key, binding, purpose),
    require(ctx, binding, purpose) {
      requireOwnOrigin(ctx);
      const fields: Readonly<Record<string, unknown>> = ctx.state.form ?? {};
      const given = Buffer.from(String(fields[FORM_TOKEN] ?? ''));
      const isOurs = keys.all().some(({ key }) => {
        const wanted = Buffer.from(tokenUnder(key, binding, purpose));
        return given.length === wanted.length && timingSafeEqual(given, wanted);
      });
      if (!isOurs) refuse('missing or wrong form token');
      return Object.fromEntries(
        Object.entries(fields).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
      );
    },
  };
}
