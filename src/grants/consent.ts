/** What somebody agreed to, as the engine's Grant keeps it: which tables of which resource, and to which application. */
import type { KoaContextWithOIDC } from 'oidc-provider';
import { TABLE_ACCESS } from '../permissions/authorization-details.ts';
import { NOTHING, type Permissions, union } from '../permissions/permissions.ts';
import { fromStored, type StoredPermissions, toStored } from '../permissions/stored.ts';
import type { Application } from '../storage/nouns.ts';

export type Consent = InstanceType<KoaContextWithOIDC['oidc']['provider']['Grant']>;

interface Agreed extends StoredPermissions {
  readonly type: typeof TABLE_ACCESS;
  readonly locations: readonly [resource: string];
}

function agreements({ rar }: Consent): readonly Agreed[] {
  return (rar ?? []) as unknown as readonly Agreed[];
}

/** @param resource its identifier */
export function findAgreed(consent: Consent, resource: string): Permissions {
  const here = agreements(consent).find(({ locations }) => locations[0] === resource);
  return here ? fromStored(here) : NOTHING;
}

/** Adds to what was agreed to before. The caller saves the consent. */
export function agree(consent: Consent, resource: string, permissions: Permissions): void {
  const agreed: Agreed = {
    type: TABLE_ACCESS,
    locations: [resource],
    ...toStored(union(findAgreed(consent, resource), permissions)),
  };
  const others = agreements(consent).filter(({ locations }) => locations[0] !== resource);
  consent.rar = [...others, agreed] as never;
}

/** A `client_id` made anew inherits nothing: what was agreed to before was agreed to with another application (MT-04). */
export function isOlder({ iat }: Consent, { createdAt }: Application): boolean {
  return ((iat ?? 0) + 1) * 1000 <= createdAt;
}
