/** The nodes above a token, by the names that people know, and what happened to them. */
import { issuedNode } from '../connections/connections.ts';
import { isEnded } from '../registry/nodes.ts';
import { handleKey } from '../registry/secrets.ts';
import type { LoginRow, NodeRecord, Storage, TokenRow } from '../storage/contract.ts';
import type { Connection } from '../storage/nouns.ts';

export interface Ancestor {
  readonly id: string;
  /** `application shop`, `login`, or the id alone where nothing is known of it. */
  readonly what: string;
  /** `alive`, or what happened to it and when. */
  readonly state: string;
  /** What happened to it ended the token. */
  readonly kills: boolean;
}

type Store = Pick<Storage, 'nodes' | 'logins' | 'tokens' | 'directory'>;

/** The token itself first, then what hangs above it, in its own order. */
export async function describeAncestors(
  row: TokenRow | LoginRow,
  store: Store,
  now: number,
): Promise<Ancestor[]> {
  const ids = [row.id, ...row.ancestors];
  const records = new Map((await store.nodes.read(ids)).map((record) => [record.id, record]));
  const id = 'connection' in row ? row.connection : undefined;
  const connection = id === undefined ? undefined : await store.directory.connections.get(id);
  return Promise.all(
    ids.map(async (id) => {
      const record = records.get(id);
      const what =
        id === row.id
          ? 'current' in row
            ? 'this login'
            : 'this token'
          : await nameNode(id, connection, store, now);
      return { id, what, ...describeState(record, row.asOf) };
    }),
  );
}

/** @param connection that the token descends from */
async function nameNode(
  id: string,
  connection: Connection | undefined,
  { directory, logins, tokens }: Store,
  now: number,
): Promise<string> {
  if (connection) {
    if (id === connection.id) return `connection ${connection.name}`;
    if (id === issuedNode(connection)) return `everything made from connection ${connection.name}`;
    if (id.startsWith(`${issuedNode(connection)}:`)) return `visitor ${id.split(':').at(-1)} of its site`;
    const secret = connection.secrets.find((each) => each.id === id);
    if (secret) return `connection token of ${toIso(secret.createdAt)}`;
  }
  if (id.startsWith('consent:')) return 'consent';
  if (id.startsWith('grant:')) return 'consent in one browser session';
  if (id.startsWith('account:')) return 'database account';
  const [organization, application, role, resource, user, datasource] = await Promise.all([
    directory.organizations.get(id),
    directory.applications.get(id),
    directory.roles.get(id),
    directory.resources.get(id),
    directory.users.get(id),
    directory.datasources.get(id),
  ]);
  if (organization) return `organization ${organization.name}`;
  if (application) return `application ${application.name}`;
  if (role) return `role ${role.name}`;
  if (resource) return `resource ${resource.identifier}`;
  if (user) return `user ${user.username}`;
  if (datasource) return `datasource ${datasource.name}`;
  if (await logins.find(id, now)) return 'login';
  const parent = await tokens.find(handleKey('jwt', id), now);
  return parent ? `token of ${parent.clientId}` : 'a token, or something that is gone';
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
