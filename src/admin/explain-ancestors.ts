/** The nodes above a token, by the names that people know, and what happened to them. */
import { isEnded } from '../registry/nodes.ts';
import type { LoginRow, NodeRecord, Storage, TokenRow } from '../storage/contract.ts';

export interface Ancestor {
  readonly id: string;
  /** `application shop`, `login`, or the id alone where nothing is known of it. */
  readonly what: string;
  /** `alive`, or what happened to it and when. */
  readonly state: string;
  /** What happened to it ended the token. */
  readonly kills: boolean;
}

type Store = Pick<Storage, 'nodes' | 'logins' | 'directory'>;

/** The token itself first, then what hangs above it, in its own order. */
export async function describeAncestors(
  row: TokenRow | LoginRow,
  store: Store,
  now: number,
): Promise<Ancestor[]> {
  const ids = [row.id, ...row.ancestors];
  const records = new Map((await store.nodes.read(ids)).map((record) => [record.id, record]));
  return Promise.all(
    ids.map(async (id) => {
      const record = records.get(id);
      const what =
        id === row.id ? ('current' in row ? 'this login' : 'this token') : await nameNode(id, store, now);
      return { id, what, ...describeState(record, row.asOf) };
    }),
  );
}

async function nameNode(id: string, { directory, logins }: Store, now: number): Promise<string> {
  const [organization, application, role, resource, user] = await Promise.all([
    directory.organizations.get(id),
    directory.applications.get(id),
    directory.roles.get(id),
    directory.resources.get(id),
    directory.users.get(id),
  ]);
  if (organization) return `organization ${organization.name}`;
  if (application) return `application ${application.name}`;
  if (role) return `role ${role.name}`;
  if (resource) return `resource ${resource.identifier}`;
  if (user) return `user ${user.username}`;
  return (await logins.find(id, now)) ? 'login' : 'something that is gone';
}

function describeState(record: NodeRecord | undefined, asOf: number): Pick<Ancestor, 'state' | 'kills'> {
  if (!record) return { state: 'alive', kills: false };
  const { revokedAt, restoredAt, narrowedAt } = record;
  if (isEnded(record)) return { state: `ended ${toIso(revokedAt)}`, kills: true };
  if (restoredAt !== undefined && asOf <= restoredAt) {
    return { state: `alive, but what is older than ${toIso(restoredAt)} has ended`, kills: true };
  }
  if (narrowedAt !== undefined)
    return { state: `alive, its rights changed ${toIso(narrowedAt)}`, kills: false };
  return { state: 'alive', kills: false };
}

function toIso(ms: number | undefined): string {
  return ms === undefined ? 'at an unknown time' : new Date(ms).toISOString();
}
