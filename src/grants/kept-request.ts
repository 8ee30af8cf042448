/**
 * What an authorization request asks of its resource, as it is kept through login and consent and in the code: in place
 * of the client's `authorization_details`, which the engine hands on without looking into them.
 */
import { TABLE_ACCESS } from '../permissions/authorization-details.ts';
import type { StoredPermissions } from '../permissions/stored.ts';

export interface KeptRequest {
  /** Its identifier. */
  readonly resource: string;
  /**
   * Absent: the request says nothing of tables, which asks for all that the person has. Tables stand beside `isAdmin`,
   * because they are what is left where the person is not an administrator.
   */
  readonly tables?: StoredPermissions;
  /** The tables were asked for as scopes: what cannot be given is left out, and answers repeat the rest in `scope`. */
  readonly asScopes?: true;
  /** The request names no scope of the resource: all that the application may have stand for it, and none can be missed. */
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

/** @param details as `writeKept` gave them; undefined for a request or code that is about no resource */
export function readKept(details: unknown): KeptRequest | undefined {
  if (details === undefined) return undefined;
  const [{ type: _, locations, ...rest }] = details as readonly [KeptDetail];
  return { resource: locations[0], ...rest };
}
