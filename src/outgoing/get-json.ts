/**
 * A GET for JSON at a URL that a stranger chose, such as the metadata document of an agent. It goes to the address that was
 * checked, follows no redirect, reads little, and sends nothing that tells one request from another.
 */
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { cut, quote, toOneLine } from '../errors/texts.ts';
import { findFreshness } from './freshness.ts';
import { limitInterim } from './interim.ts';
import { addressOf, type Targets } from './targets.ts';

/** `freshSeconds`: as `findFreshness`. */
export type FetchedJson = { readonly json: unknown; readonly freshSeconds: number | undefined };

/**
 * The message is a sentence for the stranger: it is the same whatever is wrong before an answer came, and so does not tell
 * what is in the network of this server.
 */
export class FetchFailed extends Error {
  override readonly name = 'FetchFailed';
  /** For the log. */
  readonly reason: string | undefined;
  constructor(url: string, problem: string, reason?: string) {
    super(`${quote(url)} cannot be fetched: ${problem}.`);
    // A certificate of the stranger may be in it.
    this.reason = reason === undefined ? undefined : toOneLine(cut(reason, MAX_REASON));
  }
}

/** @param signal ends all of it, a body that is being read included @throws FetchFailed */
export type GetJson = (url: string, signal: AbortSignal) => Promise<FetchedJson>;

export interface GetJsonDeps {
  readonly targets: Targets;
  /** Bytes of a body. */
  readonly maxBytes: number;
  /** PEM, instead of the well-known ones; in tests. */
  readonly ca?: string;
  /** Milliseconds. */
  readonly now: () => number;
}

const HEADERS = {
  accept: 'application/json',
  'accept-encoding': 'identity',
  'user-agent': 'Grantable',
};

const MAX_HEADERS = 8_192;
const MAX_REASON = 200;

const JSON_TYPE = /^application\/(?:json|[\w.!#$&^-]+\+json)\s*(?:;|$)/i;

const tooLong = (maxBytes: number): string => `it is longer than ${maxBytes} bytes`;

/** @returns undefined: the body may be read */
function findAnswerProblem({ statusCode, headers }: IncomingMessage, maxBytes: number): string | undefined {
  if (statusCode !== 200) return `its status is ${statusCode}, and must be 200; redirects are not followed`;
  const { 'content-encoding': encoding = 'identity', 'content-type': type = '' } = headers;
  if (encoding.toLowerCase() !== 'identity') return `it is compressed with ${quote(encoding)}`;
  if (!JSON_TYPE.test(type)) return `its content type is ${quote(type)}, and must be application/json`;
  return Number(headers['content-length'] ?? 0) > maxBytes ? tooLong(maxBytes) : undefined;
}

export function createGetJson({ targets, maxBytes, ca, now }: GetJsonDeps): GetJson {
  /** @throws FetchFailed */
  function requireTarget(text: string): URL {
    const url = URL.parse(text);
    if (url?.protocol !== 'https:') throw new FetchFailed(text, 'it is not an https URL');
    const problem = targets.findProblem(url);
    if (problem !== undefined) throw new FetchFailed(text, `it ${problem}`);
    // A publisher has a name, which its certificate is for.
    if (addressOf(url) !== undefined && !targets.isListed(url))
      throw new FetchFailed(text, 'its host is an IP address, and must be a name');
    return url;
  }

  function send(url: URL, signal: AbortSignal): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const sent = request(url, {
        headers: HEADERS,
        agent: false,
        lookup: targets.lookupFor(url),
        maxHeaderSize: MAX_HEADERS,
        rejectUnauthorized: true,
        signal,
        ...(ca !== undefined && { ca }),
      });
      limitInterim(sent)
        .on('response', resolve)
        .on('error', reject)
        // Also where neither of them came, as when the server changes the protocol.
        .on('close', () => reject(new Error('the connection was closed without an answer')))
        .end();
    });
  }

  async function read(url: string, answer: IncomingMessage): Promise<unknown> {
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of answer) {
      length += chunk.length;
      if (length > maxBytes) throw new FetchFailed(url, tooLong(maxBytes));
      chunks.push(chunk);
    }
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks)));
  }

  return async (text, signal) => {
    const url = requireTarget(text);
    const answer = await send(url, signal).catch((error: Error) => {
      const problem = 'an https server at a public address must answer in time';
      throw new FetchFailed(text, problem, error.message);
    });
    try {
      const problem = findAnswerProblem(answer, maxBytes);
      if (problem !== undefined) throw new FetchFailed(text, problem);
      const json = await read(text, answer).catch((error: Error) => {
        if (error instanceof FetchFailed) throw error;
        const isRead = error instanceof TypeError || error instanceof SyntaxError;
        if (isRead) throw new FetchFailed(text, 'it is not JSON in UTF-8');
        throw new FetchFailed(text, 'it must arrive whole and in time', error.message);
      });
      return { json, freshSeconds: findFreshness(answer.headers, now()) };
    } finally {
      answer.destroy();
    }
  };
}
