/**
 * "Database Connect": a person proves with a password who they are, or registers, names a domain of theirs, and gets a
 * connection to it. Only faces ask for this; the answer is a connection token and no access token.
 */

import { authorOf } from '../../changes/author.ts';
import { requireText } from '../../clients/form.ts';
import type { NewConnection } from '../../connections/connections.ts';
import { domainTaken, parseDomain } from '../../connections/domains.ts';
import { userSubject } from '../../directory/subjects.ts';
import { MalformedRequest, ProofRejected, RegistrationClosed, UnknownResource } from '../../errors/domain.ts';
import type { Resource, User } from '../../nouns/index.ts';
import { toStored } from '../../permissions/stored.ts';
import type { Grant, GrantRequest } from '../grant.ts';
import type { Through } from '../through.ts';
import type { GrantParts } from './parts.ts';

export const CONNECT = 'urn:grantable:grant-type:connect';

/** Characters. */
const MAX_FIELD = 1024;
const MAX_NAME = 200;

function requireField({ parameters }: GrantRequest, name: string): string {
  const value = requireText(parameters, name);
  if (value.length > MAX_FIELD)
    throw new MalformedRequest({
      description: `The parameter ${name} is longer than ${MAX_FIELD} characters.`,
    });
  return value;
}

export function createConnectGrant(parts: GrantParts): Grant {
  const { authenticateUser, register, domains, connections, limitRegistration, limitPerson, removeUser } =
    parts;

  async function registerDomain(request: GrantRequest, domain: string, user: User): Promise<Resource> {
    return domains.register(domain, user, request.client, authorOf(request, { user: user.id }));
  }

  /** A user without the domain that they came for would find their address taken at the next try. */
  async function registerBoth(
    request: GrantRequest,
    known: Resource | undefined,
    domain: string,
  ): Promise<[User, Resource]> {
    const { client, parameters, address } = request;
    const author = authorOf(request, { registeringThrough: requireRegistration(request).face });
    // Before an answer can reveal who is registered.
    await limitRegistration(address);
    if (known) throw domainTaken();
    const name = parameters.name;
    const user = await register({
      application: client.application,
      email: requireField(request, 'username'),
      password: requireField(request, 'password'),
      ...(typeof name === 'string' && name.trim() !== '' && { displayName: name.trim().slice(0, MAX_NAME) }),
      author,
    });
    try {
      return [user, await registerDomain(request, domain, user)];
    } catch (error) {
      await removeUser(user, author);
      throw error;
    }
  }

  async function logIn(request: GrantRequest, known: Resource | undefined, domain: string) {
    const { client, address } = request;
    const user = await authenticateUser({
      realm: client.application.realm,
      login: requireField(request, 'username'),
      password: requireField(request, 'password'),
      address,
      queue: client.organization.id,
    });
    if (user.secondFactor) throw new ProofRejected({ reason: 'the account has a second factor' });
    await limitPerson(user.id);
    if (known && known.owner !== user.id) {
      await limitRegistration(address);
      throw domainTaken();
    }
    if (known) return [user, known] as const;
    requireRegistration(request);
    await limitRegistration(address);
    return [user, await registerDomain(request, domain, user)] as const;
  }

  function requireRegistration({ through }: GrantRequest): Through {
    if (!through?.registration) throw new RegistrationClosed({ description: 'Registration is closed.' });
    return through;
  }

  /** Said before anything is written, because nothing that was registered could ever be used. */
  function requireServable({ client: { application } }: GrantRequest): void {
    if (application.registeredCeiling) return;
    throw new UnknownResource({
      description: 'The application may not have tokens for resources that are registered through it.',
    });
  }

  return {
    type: CONNECT,
    name: 'connect',
    parameters: ['username', 'password', 'domain', 'is_new_user', 'name'],
    async prove(request) {
      requireServable(request);
      const domain = parseDomain(requireField(request, 'domain'));
      const known = await domains.find(request.client.organization, domain);
      const [user, resource] =
        request.parameters.is_new_user === 'true'
          ? await registerBoth(request, known, domain)
          : await logIn(request, known, domain);
      return {
        subject: userSubject(user),
        user,
        asked: { resource: resource.identifier, scopes: undefined, permissions: undefined },
      };
    },
    async mint(request, { proof, resource, permissions, scopes }) {
      const { client } = request;
      if (!resource || !proof.user) throw new Error('a connection needs an owner and a resource');
      const wanted: NewConnection = {
        organization: client.organization.id,
        // No name that an operator gives has a colon.
        name: `domain:${resource.name}`,
        application: client.application.id,
        resource: resource.identifier,
        owner: proof.user.id,
        scopes,
        permissions: toStored(permissions),
      };
      const { token } = await connections.createOrRotate(
        wanted,
        authorOf(request, { user: proof.user.id }),
        request.asOf,
      );
      return { answer: { connection_token: token, name: proof.user.displayName ?? proof.user.username } };
    },
  };
}
