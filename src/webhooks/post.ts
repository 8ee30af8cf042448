/** One attempt: a POST to a receiver, and what it answers. */
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { limitInterim } from '../outgoing/interim.ts';
import { TargetRefused, type Targets } from '../outgoing/targets.ts';
import { defined } from '../storage/defined.ts';

export interface Answered {
  /** Absent: there was no answer. */
  readonly status?: number;
  /** Why it failed, cut; absent where it did not. */
  readonly reason?: string;
  /** Milliseconds, as `Retry-After` says. */
  readonly retryAfter?: number;
}

export type Post = (url: URL, headers: Readonly<Record<string, string>>, body: string) => Promise<Answered>;

/** Bytes that are read of an answer. */
const MAX_ANSWER = 1024;
const MAX_REASON = 200;
const UNSEEN = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]+/gu;

const cut = (text: string): string => text.replace(UNSEEN, ' ').trim().slice(0, MAX_REASON);

/** RFC 9110 section 10.2.3: seconds, or a date. @param now milliseconds */
export function parseRetryAfter(value: string | undefined, now: number): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
  const ms = value.endsWith(' GMT') ? Date.parse(value) - now : Number.NaN;
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}

async function readStart(answer: IncomingMessage): Promise<string> {
  let start = Buffer.alloc(0);
  for await (const chunk of answer) {
    start = Buffer.concat([start, chunk]);
    if (start.length >= MAX_ANSWER) break;
  }
  return start.subarray(0, MAX_ANSWER).toString();
}

function describe(error: unknown, timeoutMs: number): string {
  const { name, message, code } = error as NodeJS.ErrnoException;
  if (name === 'AbortError' || name === 'TimeoutError')
    return `No answer came within ${timeoutMs / 1000} seconds.`;
  if (error instanceof TargetRefused) return message;
  return cut(`The receiver cannot be reached: ${message || code}`);
}

/**
 * Never throws, and follows no redirect. Each attempt has a connection of its own, to an address that was checked for it.
 * @param timeoutMs for all of it
 */
export function createPost({
  targets,
  timeoutMs,
  now,
}: {
  readonly targets: Targets;
  readonly timeoutMs: number;
  /** Milliseconds. */
  readonly now: () => number;
}): Post {
  function send(url: URL, headers: Readonly<Record<string, string>>, body: string, signal: AbortSignal) {
    const request = url.protocol === 'https:' ? requestHttps : requestHttp;
    return new Promise<IncomingMessage>((resolve, reject) => {
      const sent = request(url, {
        method: 'POST',
        headers: { ...headers, 'content-length': String(Buffer.byteLength(body)) },
        agent: false,
        lookup: targets.lookupFor(url),
        signal,
      });
      limitInterim(sent)
        .on('response', resolve)
        .on('error', reject)
        // Also where neither of them came, as when the receiver changes the protocol.
        .on('close', () => reject(new Error('the connection was closed without an answer')))
        .end(body);
    });
  }

  return async (url, headers, body) => {
    // An address is not looked up.
    const problem = targets.findProblem(url);
    if (problem !== undefined) return { reason: `The URL ${problem}.` };
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      const answer = await send(url, headers, body, signal);
      const { statusCode: status = 0 } = answer;
      const text = await readStart(answer).catch(() => '');
      answer.destroy();
      if (status >= 200 && status < 300) return { status };
      const asksForTime = status === 429 || status === 503;
      const retryAfter = asksForTime ? parseRetryAfter(answer.headers['retry-after'], now()) : undefined;
      const reason = cut(`${status} ${answer.statusMessage ?? ''} ${text}`);
      return { status, reason, ...defined({ retryAfter }) };
    } catch (error) {
      return { reason: describe(error, timeoutMs) };
    }
  };
}
