/** Tokens and logins in answers. No answer has what a token was made of: neither its value nor a hash. */
import { z } from 'zod';
import { fromStored } from '../../permissions/stored.ts';
import type { Standing } from '../../registry/nodes.ts';
import { standingsOf } from '../../registry/standings.ts';
import type { DirectoryStore, LoginRow, TokenRow } from '../../storage/contract.ts';
import { defined } from '../../storage/defined.ts';
import type { LivingDeps } from '../living.ts';
import { createNames, type Names } from './nouns/to-object.ts';
import { permissionsShape, toShape, toWords, wordsShape } from './rights-shape.ts';
import { moment, toMoment, toMomentIf } from './shapes.ts';

const state = z
  .enum(['alive', 'narrowed', 'ended'])
  .describe('`narrowed`: rights above it shrank since it was made, so it may allow less than it says here.');

const granted = {
  id: z.string(),
  organization: z.string().describe('Name.'),
  state,
  subject: z.string().describe('`sub`.'),
  user: z.uuid().exactOptional().describe('Id of the person, if that is a user.'),
  application: z.string().describe('Name; the id of one that is gone.'),
  applicationId: z.uuid(),
  clientId: z.string(),
  resource: z.string().exactOptional().describe('Identifier; absent: good at userinfo only.'),
  scope: z.string(),
  permissions: permissionsShape,
  rights: wordsShape,
  grant: z.string().describe('How it was got.'),
  face: z.string().exactOptional().describe('The older API that it was asked for through.'),
  expiresAt: moment,
  authenticatedAt: moment.exactOptional().describe('When the person logged in.'),
  parent: z.string().exactOptional().describe('Id of the login, token or connection that it was made from.'),
  depth: z.int().exactOptional().describe('Exchanges since the first token.'),
};

export const token = z.strictObject({
  ...granted,
  format: z.enum(['jwt', 'opaque']),
  issuedAt: moment,
  username: z.string().exactOptional(),
  roles: z.array(z.string()).exactOptional().describe('Names.'),
  login: z.string().exactOptional().describe('Id of the login that it belongs to.'),
  connection: z.uuid().exactOptional().describe('Id of the connection that it descends from.'),
  address: z.string().exactOptional().describe('Where it was asked for from.'),
  requestId: z.string().exactOptional(),
});

export const login = z.strictObject({
  ...granted,
  createdAt: moment,
  refreshedAt: moment.exactOptional(),
  browserSession: z.string().exactOptional().describe('`sid` of the browser session that it began in.'),
});

type Token = z.input<typeof token>;
type Login = z.input<typeof login>;

async function toGranted(row: TokenRow | LoginRow, names: Names, standing: Standing | undefined) {
  const [organization = row.organization, application = row.application] = await Promise.all([
    names.find(row.organization),
    names.find(row.application),
  ]);
  const permissions = fromStored(row.permissions);
  return {
    id: row.id,
    organization,
    state: standing as Standing,
    subject: row.subject,
    user: row.user,
    application,
    applicationId: row.application,
    clientId: row.clientId,
    resource: row.resource,
    scope: row.scope,
    permissions: toShape(permissions),
    rights: toWords(permissions),
    grant: row.grantType,
    face: row.face,
    expiresAt: toMoment(row.expiresAt),
    authenticatedAt: toMomentIf(row.authenticatedAt),
    parent: row.parent,
    depth: row.depth,
  };
}

interface ShapeDeps extends Pick<LivingDeps, 'storage'> {
  readonly store: DirectoryStore;
}

/** Of one page: each noun is read once. @param toOwn what only one of the two kinds has */
async function toObjects<Row extends TokenRow | LoginRow, Own extends object>(
  rows: readonly Row[],
  { storage, store }: ShapeDeps,
  toOwn: (row: Row) => Own,
) {
  const standings = await standingsOf(rows, storage.nodes);
  const names = createNames(store, ['organizations', 'applications']);
  return Promise.all(
    rows.map(async (row, index) =>
      defined({ ...(await toGranted(row, names, standings[index])), ...toOwn(row) }),
    ),
  );
}

export function toTokens(rows: readonly TokenRow[], deps: ShapeDeps): Promise<Token[]> {
  return toObjects(rows, deps, (row) => ({
    format: row.format,
    issuedAt: toMoment(row.issuedAt),
    username: row.username,
    roles: row.roles && [...row.roles],
    login: row.login,
    connection: row.connection,
    address: row.address,
    requestId: row.requestId,
  }));
}

export function toLogins(rows: readonly LoginRow[], deps: ShapeDeps): Promise<Login[]> {
  return toObjects(rows, deps, (row) => ({
    createdAt: toMoment(row.createdAt),
    refreshedAt: toMomentIf(row.rotatedAt),
    browserSession: row.openid?.sid,
  }));
}
