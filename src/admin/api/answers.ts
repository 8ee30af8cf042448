/** Answers: JSON with the version as its tag, or a stream of lines. */
import { Readable } from 'node:stream';
import type { Context } from 'koa';
import { Refusal } from '../../http/refusal.ts';
import type { Answer, Operation } from '../operations/operation.ts';
import { API } from './paths.ts';
import { isKnown, toTag } from './preconditions.ts';

const JSON_TYPE = 'application/json';
/** Characters that are sent together. */
const PIECE = 16_384;

/** @returns the media type of the answer. @throws Refusal 406 */
export function chooseMedia(ctx: Context, { media, result }: Operation): string {
  const offered = [...(media ?? []), ...(result ? [JSON_TYPE] : [])];
  if (offered.length === 0) return '';
  const chosen = ctx.accepts(offered);
  if (typeof chosen === 'string') return chosen;
  throw new Refusal(406, `The answer is not to be had in that type. Accept ${offered.join(' or ')}.`);
}

async function* inPieces(first: IteratorResult<string>, rest: AsyncIterator<string>): AsyncGenerator<string> {
  let piece = '';
  for (let { done, value } = first; !done; { done, value } = await rest.next()) {
    piece += value;
    if (piece.length < PIECE) continue;
    yield piece;
    piece = '';
  }
  if (piece !== '') yield piece;
}

/**
 * Reads as fast as the client does, and ends the reading when the client goes away. What goes wrong before the first line
 * is thrown at once.
 */
async function toStream(lines: AsyncIterable<string>): Promise<Readable> {
  const iterator = lines[Symbol.asyncIterator]();
  const stream = Readable.from(inPieces(await iterator.next(), iterator), { highWaterMark: 1 });
  stream.once('close', () => {
    iterator.return?.().catch(() => undefined);
  });
  return stream;
}

export async function sendAnswer(
  ctx: Context,
  { status, media }: { readonly status: number; readonly media: string },
  { body: made, wouldDo, version, location, lines }: Answer,
): Promise<void> {
  const body = wouldDo ?? made;
  ctx.status = status;
  if (lines) ctx.vary('Accept');
  if (location !== undefined) ctx.set('Location', API + location);
  if (version !== undefined) {
    ctx.set('ETag', toTag(version));
    const isRead = ctx.method === 'GET' || ctx.method === 'HEAD';
    if (isRead && isKnown(ctx, version)) {
      ctx.status = 304;
      return;
    }
  }
  if (lines) {
    ctx.body = await toStream(lines(media));
    ctx.type = media;
    return;
  }
  if (body === undefined) {
    ctx.status = 204;
    return;
  }
  ctx.body = body;
  ctx.type = JSON_TYPE;
}
