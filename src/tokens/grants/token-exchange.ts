/**
 * RFC 8693: a token is traded for one with the same subject that may no more and dies no later. The client is the one
 * the token was issued to, or one that its application lists in `mayExchange`. No refresh token: what was traded for
 * can be traded for again.
 */
import { findText, requireText } from '../../clients/form.ts';
import type { DirectoryView } from '../../directory/directory.ts';
import { GrantNotAllowed, MalformedRequest, UnknownResource } from '../../errors/domain.ts';
import type { Application, Resource, User } from '../../nouns/index.ts';
import { isSameResource } from '../../permissions/resource-identifiers.ts';
import { findAccountHolder } from '../../rights/database-accounts.ts';
import { defined } from '../../storage/defined.ts';
import { exchangeTtl, isAboutToExpire, LONGEST_EXCHANGE } from '../expiry.ts';
import type { Grant, GrantRequest, Proof } from '../grant.ts';
import { chainOf, MAX_DEPTH } from './chain.ts';
import type { GrantParts } from './parts.ts';
import { actFor, findRequestedUser } from './requested-subject.ts';
import { ACCESS_TOKEN_TYPE, findSubjectToken, type SubjectToken, toSubjectToken } from './subject-token.ts';

export const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';

/**
 * The subject token is not alive, not of the type that was said, or not this client's to trade. Never told apart
 * (RFC 8693 section 2.2.2 `invalid_request`).
 */
class SubjectTokenRejected extends MalformedRequest {
  constructor(reason: string) {
    super({ description: 'The subject_token is not valid.', reason });
  }
}

type Parameters = GrantRequest['parameters'];

/** What we cannot do is refused before anything is looked at. */
function requireSupported(parameters: Parameters): void {
  const requested = findText(parameters, 'requested_token_type');
  if (requested !== undefined && requested !== ACCESS_TOKEN_TYPE) {
    throw new MalformedRequest({ description: `requested_token_type must be ${ACCESS_TOKEN_TYPE}.` });
  }
  // None of our tokens has a `may_act` that an actor could be held against.
  if (parameters.actor_token !== undefined || parameters.actor_token_type !== undefined) {
    throw new MalformedRequest({ description: 'Leave out actor_token: it is not supported.' });
  }
}

type OfResource = SubjectToken & { readonly resource: string };

/** The person who logged in is not the subject of the new token. */
function withoutIdentity({ openid: _, ...token }: OfResource): Omit<OfResource, 'openid'> {
  return token;
}

/** Seconds, if the client wants less than it could have. */
function parseLifetime(parameters: Parameters): number | undefined {
  const text = parameters.expires_in;
  if (text === undefined) return undefined;
  if (typeof text !== 'string' || !/^[1-9]\d{0,5}$/.test(text) || Number(text) > LONGEST_EXCHANGE) {
    throw new MalformedRequest({
      description: `expires_in must be a whole number of seconds from 1 to ${LONGEST_EXCHANGE}.`,
    });
  }
  return Number(text);
}

/** Every value counts: one that is the parent's does not make up for one that is not. */
function requireOwnAudience(parameters: Parameters, resource: Resource): void {
  const { audience = [] } = parameters;
  for (const value of Array.isArray(audience) ? audience : [audience]) {
    if (!isSameResource(value, resource.identifier)) {
      throw new UnknownResource({ description: 'The audience must be the resource of the subject token.' });
    }
  }
}

async function requireMayTrade(token: SubjectToken, client: Application, view: DirectoryView): Promise<void> {
  if (token.organization !== client.organization)
    throw new SubjectTokenRejected('token of another organization');
  if (token.application === client.id) return;
  const issuedTo = (await view.findApplicationById(token.application))?.application;
  if (!issuedTo?.mayExchange.includes(client.id)) {
    throw new SubjectTokenRejected(
      'token of another application, which does not list this one in mayExchange',
    );
  }
}

export function createTokenExchangeGrant(parts: GrantParts): Grant {
  const { users, exchangeLimit, now } = parts;

  async function requireSubjectToken(request: GrantRequest): Promise<OfResource> {
    const { parameters, view, client } = request;
    const token = request.subject
      ? toSubjectToken(request.subject)
      : await findSubjectToken(
          requireText(parameters, 'subject_token'),
          requireText(parameters, 'subject_token_type'),
          request,
          parts,
        );
    if (!token) throw new SubjectTokenRejected('unknown, ended, expired, or of another type');
    await requireMayTrade(token, client.application, view);
    const { resource, depth, expiresAt } = token;
    if (resource === undefined) throw new SubjectTokenRejected('good at userinfo only');
    if (depth >= MAX_DEPTH) throw new SubjectTokenRejected(`exchanged ${MAX_DEPTH} times already`);
    if (isAboutToExpire(expiresAt, now())) throw new SubjectTokenRejected('about to expire');
    return { ...token, resource };
  }

  /** For each request: what it is made from is checked again, and one more trade is counted. */
  function holdsFor({ connection, version }: SubjectToken): Proof['holdsFor'] {
    if (connection === undefined || version === undefined) return undefined;
    return async (request) => {
      if ((await requireSubjectToken(request)).version !== version) return false;
      await exchangeLimit(connection);
      return true;
    };
  }

  async function requireUser({ subject, isUser }: SubjectToken): Promise<User | undefined> {
    const user = isUser ? await users.findBySubject(subject) : undefined;
    if (isUser && !user) throw new SubjectTokenRejected('the user is gone or disabled');
    return user;
  }

  /** The account whose row was read when its first token was made, with its current roles. */
  async function requireAccount(
    { subject, account }: SubjectToken,
    view: DirectoryView,
  ): Promise<Proof['account']> {
    if (!account) return undefined;
    const holder = await findAccountHolder(view, subject, account.facts);
    if (!holder) throw new SubjectTokenRejected('the user table is gone or disabled');
    const { facts, claims = {} } = account;
    return { holder: { ...holder, username: facts.username }, facts, claims };
  }

  return {
    type: TOKEN_EXCHANGE,
    name: 'token_exchange',
    goesOn: true,
    parameters: [
      'subject_token',
      'subject_token_type',
      'requested_token_type',
      'actor_token',
      'actor_token_type',
      'audience',
      'requested_subject',
      'expires_in',
    ],
    repeatable: ['audience'],
    repeats: true,
    async prove(request): Promise<Proof> {
      const { parameters, view, client } = request;
      // Without client authentication a stolen token could be traded; a face's proof is the token itself.
      if (client.application.authMethod === 'none' && !request.through) {
        throw new GrantNotAllowed({ description: 'Token exchange needs a client that authenticates.' });
      }
      requireSupported(parameters);
      const lifetime = parseLifetime(parameters);
      const token = await requireSubjectToken(request);
      if (token.connection !== undefined) await exchangeLimit(token.connection);
      const resource = await view.findResource(token.resource);
      if (!resource) throw new SubjectTokenRejected('the resource is gone or disabled');
      requireOwnAudience(parameters, resource);

      const requested = findText(parameters, 'requested_subject');
      const isAnother = requested !== undefined && requested !== token.subject;
      const user = isAnother
        ? await findRequestedUser(requested, token, resource, request, users)
        : await requireUser(token);
      const account = isAnother ? undefined : await requireAccount(token, view);
      const subject = isAnother ? requested : token.subject;
      const own = defined({
        application: client.application.id,
        subject: user || account ? subject : undefined,
      });
      const act = isAnother ? actFor(token) : token.act;
      return defined({
        subject,
        sender: token.sender,
        user,
        account,
        authenticatedAt: isAnother ? undefined : token.authenticatedAt,
        ancestors: [...token.nodes, ...(request.through?.nodes ?? [])],
        parentId: token.id,
        parent: isAnother ? withoutIdentity(token) : token,
        holdsFor: isAnother ? undefined : holdsFor(token),
        chain: chainOf(token, own, act),
        ttl: exchangeTtl([
          lifetime,
          request.through?.token?.ttl,
          token.maxTokenTtl,
          client.application.maxExchangeTtl,
        ]),
        answer: defined({
          issued_token_type: ACCESS_TOKEN_TYPE,
          channel: resource.channel,
        }),
      });
    },
  };
}
