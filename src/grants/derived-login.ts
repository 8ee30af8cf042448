/**
 * A login that hangs below another: whoever holds an access token gets a pair that may no more, for themselves or, if
 * they may do everything with devices, for somebody else. It hangs below the login of that access token and not below
 * the token, which is short-lived; so it ends with the login, and is bounded by what the token allows. Only faces ask
 * for this (RFC 8693 gives no refresh tokens).
 */
import { z } from 'zod';
import { findText, requireText } from '../clients/form.ts';
import type { ExchangeLimit } from '../connections/exchange-limit.ts';
import { findDeviceRights } from '../directory/device-rights.ts';
import { parseUserSubject } from '../directory/subjects.ts';
import type { Users } from '../directory/users.ts';
import { MalformedRequest, PermissionsNotAllowed, ProofRejected } from '../errors/domain.ts';
import { type DeviceAccess, DIMENSIONS, intersectAccess, toReach } from '../permissions/device-access.ts';
import { NOTHING } from '../permissions/permissions.ts';
import type { Registry } from '../registry/registry.ts';
import type { User } from '../storage/nouns.ts';
import { chainOf, MAX_DEPTH } from './chain.ts';
import type { Grant, GrantRequest } from './contract.ts';
import { LONGEST_TOKEN } from './expiry.ts';
import { rethrowPermissionsError } from './request.ts';
import { actFor } from './requested-subject.ts';
import { ACCESS_TOKEN_TYPE, type SubjectToken, type SubjectTokens } from './subject-token.ts';

export const DERIVED_LOGIN = 'urn:grantable:grant-type:derived-login';

export interface DerivedLoginDeps {
  readonly subjectTokens: SubjectTokens;
  readonly users: Pick<Users, 'findBySubject'>;
  readonly registry: Pick<Registry, 'findLogin'>;
  readonly limit: ExchangeLimit;
  /** Milliseconds. */
  readonly now: () => number;
}

const list = z.array(z.string()).optional();
const wantedDevices = z.strictObject({ actions: list, networks: list, deviceTypes: list, topics: list });

/** What is left out of a dimension that nobody names. */
type Wanted = { readonly [D in keyof DeviceAccess]?: DeviceAccess[D] };

function parseWanted(text: string): Wanted {
  const parsed = wantedDevices.safeParse(JSON.parse(text));
  if (!parsed.success) throw new MalformedRequest({ description: 'devices is malformed' });
  try {
    return Object.fromEntries(
      DIMENSIONS.flatMap((dimension) => {
        const values = parsed.data[dimension];
        return values ? [[dimension, toReach(values, dimension)]] : [];
      }),
    );
  } catch (error) {
    return rethrowPermissionsError(error);
  }
}

interface Parent {
  readonly token: SubjectToken & { readonly devices: DeviceAccess };
  /** Milliseconds. */
  readonly expiresAt: number;
}

/** Id of whoever logged in: with what was made for others, or in another login, nobody has more turns. */
function originOf({ bounds, subject }: SubjectToken): string {
  const first = bounds[0]?.subject ?? subject;
  return parseUserSubject(first)?.id ?? first;
}

export function createDerivedLoginGrant(deps: DerivedLoginDeps): Grant {
  const { subjectTokens, users, registry, limit, now } = deps;

  async function requireParent(request: GrantRequest): Promise<Parent> {
    const { parameters, client, through } = request;
    const value = requireText(parameters, 'subject_token');
    const token = await subjectTokens.find(value, ACCESS_TOKEN_TYPE, request);
    if (!token?.devices || token.face !== through?.face || token.application !== client.application.id) {
      throw new ProofRejected({ reason: 'no living access token of this API and application' });
    }
    const login = token.login === undefined ? undefined : await registry.findLogin(token.login);
    if (!login) throw new ProofRejected({ reason: 'the login of the access token has ended' });
    if (token.depth >= MAX_DEPTH) {
      throw new PermissionsNotAllowed({ description: `derived ${MAX_DEPTH} times already` });
    }
    return { token: { ...token, devices: token.devices }, expiresAt: login.expiresAt };
  }

  async function requireUser({ token }: Parent, { parameters, client }: GrantRequest): Promise<User> {
    const wanted = findText(parameters, 'requested_subject') ?? token.subject;
    const user = await users.findBySubject(wanted);
    if (!user) throw new ProofRejected({ reason: 'the user is gone or disabled' });
    if (wanted === token.subject) return user;
    if (token.devices.actions !== '*') {
      throw new PermissionsNotAllowed({ description: 'only who may do everything names somebody else' });
    }
    if (user.organization !== client.organization.id) {
      throw new PermissionsNotAllowed({ description: 'the user is none of this organization' });
    }
    return user;
  }

  /** Seconds until then, at least one: tokens end with a second. */
  function parseUntil({ parameters }: GrantRequest, name: string): number | undefined {
    const text = findText(parameters, name);
    if (text === undefined) return undefined;
    const at = now();
    const time = Number(text);
    if (!Number.isSafeInteger(time) || time <= at) {
      throw new MalformedRequest({ description: `${name} must be a time to come, in milliseconds` });
    }
    return Math.max(1, Math.floor(time / 1000) - Math.floor(at / 1000));
  }

  return {
    type: DERIVED_LOGIN,
    name: 'derived_login',
    parameters: ['subject_token', 'requested_subject', 'devices', 'expires_at', 'refresh_expires_at'],
    async prove(request) {
      const wanted = parseWanted(requireText(request.parameters, 'devices'));
      const ttl = parseUntil(request, 'expires_at');
      const loginTtl = parseUntil(request, 'refresh_expires_at');
      const parent = await requireParent(request);
      const { token, expiresAt } = parent;
      const origin = originOf(token);
      await limit(origin, 'user');
      const user = await requireUser(parent, request);
      const held = await findDeviceRights(request.view, user, request.client.organization.id);
      const subject = findText(request.parameters, 'requested_subject') ?? token.subject;
      const isAnother = subject !== token.subject;
      const own = { application: request.client.application.id, subject };
      return {
        subject,
        ...(token.sender && { sender: token.sender }),
        user,
        asked: {
          resource: undefined,
          // Whoever asks for devices hands on nothing else.
          scopes: [],
          permissions: NOTHING,
          devices: { ...intersectAccess(token.devices, held), ...wanted },
        },
        ...(token.authenticatedAt !== undefined && !isAnother && { authenticatedAt: token.authenticatedAt }),
        // Itself is the last of its nodes.
        ancestors: token.nodes.slice(0, -1),
        ...(token.parentId !== undefined && { parentId: token.parentId }),
        parent: {
          resource: token.resource,
          scope: token.scope,
          permissions: token.permissions,
          devices: token.devices,
          expiresAt,
        },
        chain: chainOf(token, own, isAnother ? actFor(token) : token.act),
        ...(ttl !== undefined && { ttl: Math.min(ttl, LONGEST_TOKEN) }),
        ...(loginTtl !== undefined && { loginTtl }),
        origin,
        startsLogin: true,
      };
    },
  };
}
