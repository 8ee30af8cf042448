/**
 * What an authorization request asks of its resource, kept through login and consent and in the code. It replaces the
 * client's `authorization_details`, which the engine passes on unread.
 */
import { TABLE_ACCESS } from '../permissions/authorization-details.ts';
import type { StoredPermissions } from '../permissions/stored.ts';

export interface KeptRequest {
  /** Its identifier. */
  readonly resource: string;
  /**
   * Absent: the request does not name tables, which asks for all that the person has. There are tables beside
   * `isAdmin`, because they remain if the person is not an administrator.
   */
  readonly tables?: StoredPermissions;
  /** The tables were asked for as scopes: those that cannot be given are left out; `scope` of answers has the rest. */
  readonly asScopes?: true;
  /**
   * The request does not name a scope of the resource: it gets all that the application may have, and a missing one is
   * not an error.
   */
  readonly allScopes?: true;
  /** The client will name the resource again at the token endpoint. */
  readonly namesResource?: true;
}

interface KeptDetail extends Omit<KeptRequest, 'resource'> {
  readonly type: typeof TABLE_ACCESS;
  readonly locations: readonly [resource: string];
}

/** @returns details for the engine, which keeps a list that is not empty */
export function writeKept({ resource, ...rest }: KeptRequest): readonly [KeptDetail] {
  return [{ type: TABLE_ACCESS, locations: [resource], ...rest }];
}

/** @param details as `writeKept` gave them; undefined for a request or code without a resource */
export function readKept(details: unknown): KeptRequest | undefined {
  if (details === undefined) return undefined;
  const [{ type: _, locations, ...rest }] = details as readonly [KeptDetail];
  return { resource: locations[0], ...rest };
}
