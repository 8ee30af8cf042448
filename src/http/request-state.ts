/**
 * What travels with a request in `ctx.state`, as far as the shell uses it: each member, and who sets it. Other folders
 * declare theirs beside the code that sets them, as members of Koa's `DefaultState`.
 */
import type { IncomingMessage } from 'node:http';
import type { Form } from '../clients/form.ts';

/** What a page of another origin may send, told in answer to a browser's preflight. */
export interface Preflight {
  readonly methods: readonly string[];
  readonly headers: readonly string[];
}

export interface RequestState {
  // Set by `request-facts.ts` before everything else.
  requestId: string;
  /** Of the client, behind trusted proxies. */
  address: string;
  /** Of the other end of the connection. */
  peer: string;
  /** When it came: milliseconds, of `performance.now()`. */
  started: number;

  /** The host that was asked; set by `hosts.ts`. */
  host?: string;

  // Set by `body.ts` and `direct.ts`.
  form?: Form;

  // Set by `direct.ts`, for Koa.
  /** What was read of the body, which cannot be read again. */
  body?: Buffer;
  /** What its endpoint threw: it has been counted and must not be tried again. */
  thrown?: { readonly error: unknown };
  /** What all requests that are handled in one turn share. */
  turn?: Turn;

  // For the log; set by the part that knows it.
  clientId?: string | undefined;
  /** The authentication method that the client used and the one it is registered with, if they differ. */
  clientAuth?: { readonly used: string; readonly registered: string } | undefined;
  reason?: string | undefined;
  /** Where the answer differs from the request without being an error. */
  note?: string;
  /** An error that was not foreseen; set by `errors.ts`. */
  unforeseen?: unknown;

  /** An error that was answered already; set by the engine. */
  failure?: unknown;
  /** The grant under which a token was given out, for the metrics. */
  issuedGrant?: string;

  // For pages of other origins; set by routes, read by `cors.ts`.
  /** The origins whose pages may read the answer, or `*` for every page. */
  readers?: readonly string[] | '*' | undefined;
  preflight?: Preflight;
}

/**
 * What the requests share that are handled in one turn of the event loop, and so see one moment of the store. The shell
 * passes it on; `endpoints/requests.ts` declares what is in it.
 */
// biome-ignore lint/suspicious/noEmptyInterface: its members are declared there.
export interface Turn {}

/** What is known of a request before Koa gets it; nothing of one that came to Koa at once. */
export const keptStates = new WeakMap<IncomingMessage, RequestState>();

declare module 'koa' {
  interface DefaultState extends RequestState {}
}
