/** The load: autocannon in this process, keep-alive, counting everything that is not a 200. */
import autocannon from 'autocannon';
import type { BenchServer } from './processes.ts';

type Form = Record<string, string>;

export interface Target {
  readonly url: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** A function is asked for each request. */
  readonly form: Form | (() => Form);
  /** Sees each answer, for requests that go on from the one before. */
  readonly onAnswer?: (body: string) => void;
}

export interface Figures {
  readonly perSecond: number;
  /** Milliseconds. */
  readonly p99: number;
  readonly requests: number;
}

/** So long, or so many requests. */
export type Length = { readonly seconds: number } | { readonly amount: number };

export const CONNECTIONS = 32;

const encode = (form: Form): string => new URLSearchParams(form).toString();

/** @throws Error if any answer was not a 200 */
export async function load(
  { url, clientId, clientSecret, form, onAnswer }: Target,
  { connections = CONNECTIONS, ...length }: Length & { connections?: number },
): Promise<Figures> {
  const headers = {
    authorization: `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`,
    'content-type': 'application/x-www-form-urlencoded',
  };
  const changing = typeof form === 'function' && [
    {
      setupRequest: (request: autocannon.Request) => ({ ...request, body: encode(form()) }),
      onResponse: (status: number, body: string) => {
        if (status === 200) onAnswer?.(body);
      },
    },
  ];
  const result = await autocannon({
    url,
    connections,
    ...('seconds' in length ? { duration: length.seconds } : length),
    method: 'POST',
    headers,
    ...(changing ? { requests: changing } : { body: encode(form as Form) }),
  });
  if (result.non2xx > 0 || result.errors > 0) {
    throw new Error(`${url}: ${result.non2xx} answers were not 2xx, and ${result.errors} connections failed`);
  }
  return {
    perSecond: result.requests.total / result.duration,
    p99: result.latency.p99,
    requests: result.requests.total,
  };
}

export interface Measured extends Figures {
  /** Microseconds of the server's processor time for one request. */
  readonly cpu: number;
}

/** As `load`, with what it cost the server. @throws Error if any answer was not a 200 */
export async function measure(
  server: BenchServer,
  target: Target,
  how: Length & { connections?: number },
): Promise<Measured> {
  const before = server.cpu();
  const figures = await load(target, how);
  return { ...figures, cpu: ((server.cpu() - before) * 1e6) / figures.requests };
}

/** One request. @throws Error if the answer is not a 200 */
export async function ask({ url, clientId, clientSecret, form }: Target): Promise<Record<string, string>> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}` },
    body: new URLSearchParams(typeof form === 'function' ? form() : form),
  });
  if (response.status !== 200) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  return (await response.json()) as Record<string, string>;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? Number.NaN)
    : ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}
