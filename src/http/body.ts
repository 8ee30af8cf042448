/**
 * Request bodies. Forms are read here, with events, for the endpoints and the engine: faster than the engine reads them, and
 * with the statuses that it does not have (413, 415). The engine parses the text itself. Other bodies stay unread: most
 * endpoints and the engine refuse them, and what wants one (faces, AuthZEN) calls `readBody`.
 */
import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import type { Context, Middleware } from 'koa';
import type { Form } from '../clients/form.ts';
import { Refusal } from './refusal.ts';

export const MAX_FORM_BYTES = 56 * 1024;
const MAX_FIELDS = 1_000;
const FORM = 'application/x-www-form-urlencoded';

function tooLarge(limit: number): Refusal {
  return new Refusal(413, `The body is larger than ${limit} bytes.`);
}

/** @returns what a body has that ended before its time */
export function endedEarly(): Refusal {
  return new Refusal(400, 'The body ended early.', { reason: 'the client went away' });
}

function collect(ctx: Context, limit: number): Promise<Buffer> {
  const { req, state } = ctx;
  if (state.body) return Promise.resolve(state.body);
  if ((ctx.request.length ?? 0) > limit) return Promise.reject(tooLarge(limit));
  if (req.destroyed || req.readableEnded) return Promise.reject(new Error('the body was read already'));
  if (ctx.get('Expect') !== '') ctx.res.writeContinue();
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let received = 0;
    const onData = (chunk: Buffer): void => {
      received += chunk.length;
      if (received <= limit) {
        chunks.push(chunk);
        return;
      }
      // The rest flows by unseen; `listen` ends a connection on which it does not end soon.
      req.off('data', onData);
      req.resume();
      reject(tooLarge(limit));
    };
    req.on('data', onData);
    req.once('end', () => {
      resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, received));
    });
    req.once('close', () => {
      if (!req.readableEnded) reject(endedEarly());
    });
  });
}

/**
 * Reads the body as text, once. Its bytes must be UTF-8, and the charset in its type is ignored: libraries name the
 * charset of their platform, and send ASCII.
 *
 * @param limit bytes
 * @throws Refusal 413 if it is larger, 415 if it is compressed, 400 if it is not UTF-8 or ended early
 */
export async function readBody(ctx: Context, limit: number): Promise<string> {
  const encoding = ctx.get('Content-Encoding').toLowerCase();
  if (encoding !== '' && encoding !== 'identity') {
    throw new Refusal(415, 'Compressed bodies are not accepted. Send the body without Content-Encoding.', {
      headers: { 'Accept-Encoding': 'identity' },
    });
  }
  return decode(await collect(ctx, limit));
}

function decode(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw new Refusal(400, 'The body is not UTF-8.');
  if (bytes.includes(0)) throw new Refusal(400, 'The body contains a NUL character.');
  return bytes.toString('utf8');
}

function refuseManyFields(text: string): void {
  let fields = 1;
  for (let at = text.indexOf('&'); at !== -1; at = text.indexOf('&', at + 1)) fields += 1;
  if (fields > MAX_FIELDS) throw new Refusal(400, `The form has more than ${MAX_FIELDS} fields.`);
}

/** Most clients write the type in one of these ways. */
const USUAL_FORM = new Set([
  FORM,
  `${FORM};charset=UTF-8`,
  `${FORM}; charset=UTF-8`,
  `${FORM}; charset=utf-8`,
]);

export function isUsualForm(contentType: string): boolean {
  return USUAL_FORM.has(contentType);
}

function isForm(ctx: Context): boolean {
  return isUsualForm(ctx.req.headers['content-type'] ?? '') || Boolean(ctx.is(FORM));
}

/** @returns undefined if it is not encoded properly, which URLSearchParams forgives */
function decodeField(text: string): string | undefined {
  const spaced = text.includes('+') ? text.replaceAll('+', ' ') : text;
  if (!spaced.includes('%')) return spaced;
  try {
    return decodeURIComponent(spaced);
  } catch {
    return undefined;
  }
}

/** Plain forms, several times as fast as `parseAny`. @returns undefined for one that is not plain */
function parsePlain(text: string): Form | undefined {
  const form: Record<string, unknown> = Object.create(null);
  for (const field of text.split('&')) {
    const equals = field.indexOf('=');
    if (equals <= 0) return undefined;
    const name = decodeField(field.slice(0, equals));
    const value = decodeField(field.slice(equals + 1));
    if (name === undefined || value === undefined || name in form) return undefined;
    form[name] = value;
  }
  return form;
}

/** As the engine's parser has it, and several times as fast where a value is long. */
function parseAny(text: string): Form {
  const form: Record<string, unknown> = Object.create(null);
  // Of a query it would take the question mark for a separator.
  for (const [name, value] of new URLSearchParams(text.startsWith('?') ? `&${text}` : text)) {
    const known = form[name];
    form[name] = known === undefined ? value : [known, value].flat();
  }
  return form;
}

/**
 * Reads a form, once, and leaves it for the others.
 * @returns without a prototype; undefined if the body is not a form
 * @throws Refusal as `readBody`, and 400 for too many fields
 */
export async function readForm(ctx: Context): Promise<Form | undefined> {
  if (!isForm(ctx)) return undefined;
  const text = await readBody(ctx, MAX_FORM_BYTES);
  // The engine looks here for a body that was read before it.
  (ctx.req as IncomingMessage & { body?: string }).body = text;
  ctx.state.form = parseFields(text);
  return ctx.state.form;
}

function parseFields(text: string): Form {
  refuseManyFields(text);
  return parsePlain(text) ?? parseAny(text);
}

/** @throws Refusal 400 if the body is not UTF-8 or has too many fields */
export function parseForm(bytes: Buffer): Form {
  return parseFields(decode(bytes));
}

/**
 * Reads the forms of POST requests for the routes after it. Faces read what comes to their paths themselves: clients of
 * theirs call JSON a form, and what is wrong with a body is told in the face's words.
 */
export function createFormReader({ isFacePath }: { isFacePath: (path: string) => boolean }): Middleware {
  return async function formReader(ctx, next) {
    if (ctx.method === 'POST' && !isFacePath(ctx.path)) await readForm(ctx);
    await next();
  };
}
