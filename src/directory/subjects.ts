/**
 * The `sub` of a token. It names the realm, so no two realms share one, and applications live in a space of their own
 * (RFC 9700 section 4.15): a client can never obtain a token that looks like a person's.
 */
import type { Application, Realm, User } from '../nouns/index.ts';

const USER_SUBJECT = /^((?:organization|application):[0-9a-f-]{36}|management)\/([0-9a-f-]{36})$/;

export function applicationSubject(application: Pick<Application, 'id'>): string {
  return `client:${application.id}`;
}

export function userSubject(user: Pick<User, 'realm' | 'id'>): string {
  return `${user.realm}/${user.id}`;
}

/** Realm and user id of a user's subject; undefined for any other. */
export function parseUserSubject(subject: string): { realm: Realm; id: string } | undefined {
  const match = USER_SUBJECT.exec(subject);
  return match ? { realm: match[1] as Realm, id: match[2] as string } : undefined;
}
