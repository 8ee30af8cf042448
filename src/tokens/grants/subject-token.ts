/** What is presented for an exchange (RFC 8693 section 2.1): an access token of ours, or a connection token. */
import type { LivingConnection } from '../../connections/connections.ts';
import type { DirectoryView } from '../../directory/directory.ts';
import { MalformedRequest } from '../../errors/domain.ts';
import { type DeviceAccess, fromStoredAccess } from '../../permissions/device-access.ts';
import type { Permissions } from '../../permissions/permissions.ts';
import { fromStored } from '../../permissions/stored.ts';
import type { AccountFacts, Bound, TokenRow } from '../../storage/contract.ts';
import { defined } from '../../storage/defined.ts';
import type { GrantParts } from './parts.ts';

export const ACCESS_TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:access_token';
export const CONNECTION_TOKEN_TYPE = 'urn:grantable:token-type:connection';

type Carried =
  | 'asScopes'
  | 'resource'
  | 'expiresAt'
  | 'face'
  | 'login'
  | 'connection'
  | 'authenticatedAt'
  | 'openid'
  | 'act'
  | 'sender';

/**
 * A living token that something smaller may be made from: an access token, as its row has it, or a connection token, whose
 * `id` and `connection` are the id of the connection. Without `expiresAt` it lives until it is ended.
 */
export interface SubjectToken
  extends Pick<TokenRow, 'id' | 'subject' | 'organization' | 'application' | 'scope'>,
    Partial<Pick<TokenRow, Carried>> {
  /** Id of the nearest login, token or connection above it. */
  readonly parentId?: string;
  /** Whether the subject is a user of ours. */
  readonly isUser: boolean;
  /** Where the subject is a row of a user table. */
  readonly account?: Pick<TokenRow, 'claims'> & { readonly facts: AccountFacts };
  readonly permissions: Permissions;
  readonly devices?: DeviceAccess;
  /** All that what is made from it hangs below, itself included. */
  readonly nodes: readonly string[];
  readonly depth: number;
  readonly bounds: readonly Bound[];
  /** Of a connection without an owner: what else it says changes with the directory only. */
  readonly version?: string;
  /** Seconds: a limit of the connection's own. */
  readonly maxTokenTtl?: number;
}

/** What a caller has found of a token that was presented to it. */
export type FoundToken =
  | { readonly kind: 'access token'; readonly row: TokenRow }
  | { readonly kind: 'connection token'; readonly living: LivingConnection };

function fromRow(row: TokenRow): SubjectToken {
  return defined({
    id: row.id,
    parentId: row.parent,
    subject: row.subject,
    isUser: row.user !== undefined,
    account: row.account && defined({ facts: row.account, claims: row.claims }),
    organization: row.organization,
    application: row.application,
    scope: row.scope,
    permissions: fromStored(row.permissions),
    asScopes: row.asScopes,
    devices: row.devices && fromStoredAccess(row.devices),
    nodes: [...row.ancestors, row.id],
    depth: row.depth ?? 0,
    bounds: row.bounds ?? [],
    expiresAt: row.expiresAt,
    face: row.face,
    login: row.login,
    resource: row.resource,
    connection: row.connection,
    authenticatedAt: row.authenticatedAt,
    openid: row.openid,
    act: row.act,
    sender: row.sender,
  });
}

function fromConnection({
  connection,
  secret,
  application,
  owner,
  rights,
  nodes,
}: LivingConnection): SubjectToken {
  return {
    id: connection.id,
    subject: `connection:${connection.id}`,
    isUser: false,
    organization: connection.organization,
    application: application.id,
    resource: connection.resource,
    scope: [...rights.scopes].join(' '),
    permissions: rights.permissions,
    nodes,
    depth: 0,
    bounds: [],
    connection: connection.id,
    ...defined({
      version: owner ? undefined : `${connection.id} ${connection.version} ${secret.id}`,
      expiresAt: connection.expiresAt,
      maxTokenTtl: connection.maxTokenTtl,
    }),
  };
}

export function toSubjectToken(found: FoundToken): SubjectToken {
  return found.kind === 'access token' ? fromRow(found.row) : fromConnection(found.living);
}

/**
 * @param type `subject_token_type`
 * @returns undefined for whatever is not a living token of that very type
 * @throws MalformedRequest for a type that cannot be exchanged
 */
export async function findSubjectToken(
  value: string,
  type: string,
  { view, address }: { readonly view: DirectoryView; readonly address: string },
  { presentedTokens, connections }: Pick<GrantParts, 'presentedTokens' | 'connections'>,
): Promise<SubjectToken | undefined> {
  if (type === ACCESS_TOKEN_TYPE) {
    const row = await presentedTokens.findAccessToken(value);
    return row && fromRow(row);
  }
  if (type !== CONNECTION_TOKEN_TYPE) {
    throw new MalformedRequest({
      description: `subject_token_type must be ${ACCESS_TOKEN_TYPE} or ${CONNECTION_TOKEN_TYPE}.`,
    });
  }
  const living = await connections.find(value, address, view);
  return living && fromConnection(living);
}
