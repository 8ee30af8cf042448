/**
 * What a page says of an agent before the person decides. Strangers choose its name, its URL and its redirect URIs, so each
 * stands in a place of its own, as text, cut, and with hosts in ASCII.
 */
import { publisherOf } from '../agents/client-id.ts';
import type { ActiveApplication } from '../directory/directory.ts';
import { isApproved } from '../directory/registered-applications.ts';
import { cut, toOneLine } from '../errors/texts.ts';
import { titleOf } from '../nouns/index.ts';
import { isLoopback } from '../nouns/redirect-uris.ts';
import { MAX_SHOWN_NAME } from '../nouns/shown-name.ts';

/** Characters of a host that a page shows. */
const MOST_OF_HOST = 60;

/** @param host as `URL` gives it, in ASCII @returns its end where it is long: who registered the domain stands there */
function toShownHost(host: string): string {
  return host.length > MOST_OF_HOST ? `…${host.slice(1 - MOST_OF_HOST)}` : host;
}

/** @returns undefined for an application that an operator or a person registered */
export function describeAgent({ application }: Pick<ActiveApplication, 'application'>) {
  if (!application.agent) return undefined;
  const publisher = publisherOf(application);
  return {
    /** As it calls itself. */
    name: toOneLine(cut(titleOf(application), MAX_SHOWN_NAME)),
    /** The host of the document that describes it; undefined: nothing shows who made it. */
    publisher: publisher === undefined ? undefined : toShownHost(publisher),
    isApproved: isApproved(application),
  };
}

/** Where the answer to a request goes. */
export interface AnswerPlace {
  /** The host of the redirect URI, or the scheme of an app: what stands where a host would is of the app's own choice. */
  readonly host: string;
  /** What any program may be on that can receive the answer (RFC 8252 sections 7.1 and 8.6). */
  readonly anyProgramOn?: 'computer' | 'device';
}

export function describeRedirect(redirectUri: unknown): AnswerPlace {
  const { host, hostname, protocol } = new URL(String(redirectUri));
  if (!/^https?:$/.test(protocol)) return { host: cut(protocol, MOST_OF_HOST), anyProgramOn: 'device' };
  return { host: toShownHost(host), ...(isLoopback(hostname) && { anyProgramOn: 'computer' }) };
}
