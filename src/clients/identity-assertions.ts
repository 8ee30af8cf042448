/**
 * Identity assertions (ID-JAG, draft-ietf-oauth-identity-assertion-authz-grant section 4.4): JWTs by which an issuer that
 * the client's organization trusts says for whom the client asks.
 */
import { hash } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader, type JWTPayload } from 'jose';
import type { ActiveApplication } from '../directory/directory.ts';
import { ProofRejected } from '../errors/domain.ts';
import type { Identity, IdentityIssuer } from '../nouns/index.ts';
import type { ArtifactStore } from '../storage/contract.ts';
import { defined } from '../storage/defined.ts';
import type { ProvenKey } from '../storage/rows.ts';
import type { IssuerKeys } from './issuer-keys.ts';
import {
  type AssertionContext,
  type AssertionRules,
  findCommonProblem,
  forgottenAt,
  type Header,
  show,
  tellRefusal,
  verifySignature,
} from './signed-assertions.ts';

const TYPE = 'oauth-id-jag+jwt';
const RULES: AssertionRules = { maxLife: 300, types: [TYPE], typeRemedy: `it must be ${TYPE}` };
const USED = 'UsedIdentityAssertion';
const KEY_MEMBERS = ['jkt', 'x5t#S256'];

/** One text for all, so that a stranger does not learn which issuers, users and checks there are. */
export class AssertionRejected extends ProofRejected {
  override get told(): string {
    return 'The assertion is not valid.';
  }
}

/** An assertion that was judged. */
export interface IdentityAssertion {
  readonly identity: Identity;
  /** The resources that it names, in its order. */
  readonly resources: readonly string[];
  readonly scope?: string;
  readonly authorizationDetails?: readonly unknown[];
  /** The key that it is bound to. */
  readonly sender?: ProvenKey;
  /** @returns false if it was used before, by any process */
  use(): Promise<boolean>;
  isUsed(): Promise<boolean>;
}

export type IdentityAssertions = ReturnType<typeof createIdentityAssertions>;

export interface IdentityAssertionsDeps extends Pick<AssertionContext, 'issuer' | 'now'> {
  readonly issuerKeys: IssuerKeys;
  readonly artifacts: Pick<ArtifactStore, 'insert' | 'find'>;
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';

const isTexts = (value: unknown): value is string[] =>
  Array.isArray(value) && value.length > 0 && value.every(isText);

function findLifeProblem({ iat, exp }: JWTPayload): string | undefined {
  if (iat === undefined) return 'iat is missing';
  const seconds = Number(exp) - iat;
  const { maxLife } = RULES;
  return seconds > maxLife
    ? `it lives ${seconds} s: at most ${maxLife} s may lie between iat and exp`
    : undefined;
}

/** An issuer with tenants may give one subject to people of several tenants. */
function findTenantProblem(
  { tenant, aud_tenant: ours }: JWTPayload,
  { organization }: ActiveApplication,
): string | undefined {
  if (tenant !== undefined) return 'tenant is not supported: trust an issuer that is of one tenant';
  if (ours === undefined || ours === organization.name) return undefined;
  return `aud_tenant is ${show(ours)}: it must be the organization ${organization.name}`;
}

function findRightsProblem({
  resource,
  scope,
  authorization_details: details,
}: JWTPayload): string | undefined {
  if (resource !== undefined && !isText(resource) && !isTexts(resource)) {
    return 'resource must be a URI or a list of URIs';
  }
  if (scope !== undefined && !isText(scope)) return 'scope must be a text with scopes in it';
  return details === undefined || Array.isArray(details) ? undefined : 'authorization_details must be a list';
}

/** A key that cannot be held against the request would be passed over. */
function findBindingProblem({ cnf }: JWTPayload): string | undefined {
  if (cnf === undefined) return undefined;
  const members = typeof cnf === 'object' && cnf !== null ? Object.entries(cnf) : [];
  const isKnown =
    members.length === 1 && members.every(([name, value]) => KEY_MEMBERS.includes(name) && isText(value));
  return isKnown ? undefined : `cnf must have one of ${KEY_MEMBERS.join(', ')} and nothing else`;
}

/** @returns the problem, for the log; undefined if it is valid for the client, apart from its signature */
function findProblem(
  claims: JWTPayload,
  header: Header,
  client: ActiveApplication,
  context: AssertionContext,
): string | undefined {
  const { sub, client_id: clientId } = claims;
  return (
    findCommonProblem(claims, header, RULES, context) ??
    (clientId === client.application.clientId
      ? undefined
      : `client_id is ${show(clientId)}: it must be the client that authenticated`) ??
    // Stores write every unpaired surrogate as one character, and two subjects would be one.
    (isText(sub) && sub.isWellFormed() ? undefined : 'sub must be a text in Unicode') ??
    findLifeProblem(claims) ??
    findTenantProblem(claims, client) ??
    findRightsProblem(claims) ??
    findBindingProblem(claims)
  );
}

function reject(problem: string): never {
  throw new AssertionRejected({ reason: `the assertion is refused: ${problem}` });
}

export function createIdentityAssertions(deps: IdentityAssertionsDeps) {
  const { issuerKeys, artifacts, now } = deps;

  function read(assertion: string): { claims: JWTPayload; header: Header } {
    try {
      return { claims: decodeJwt(assertion), header: decodeProtectedHeader(assertion) };
    } catch (error) {
      return reject(tellRefusal(error));
    }
  }

  async function requireSigned(assertion: string, header: Header, trusted: IdentityIssuer): Promise<void> {
    const keys = await issuerKeys.find(trusted, header.kid);
    try {
      await verifySignature(assertion, keys);
    } catch (error) {
      reject(tellRefusal(error));
    }
  }

  return {
    /** @throws AssertionRejected; Unavailable if the keys of its issuer cannot be had */
    async judge(assertion: string, client: ActiveApplication): Promise<IdentityAssertion> {
      const { claims, header } = read(assertion);
      const { organization } = client;
      const trusted = organization.identityIssuers?.find(({ issuer }) => issuer === claims.iss);
      if (!trusted) reject(`iss is ${show(claims.iss)}, which the organization does not trust`);
      const problem = findProblem(claims, header, client, deps);
      if (problem !== undefined) reject(problem);
      await requireSigned(assertion, header, trusted);
      const { sub = '', jti, resource, scope, authorization_details: details, cnf } = claims;
      const key = hash('sha256', JSON.stringify([organization.id, trusted.issuer, jti]), 'buffer');
      return defined({
        identity: { issuer: trusted.issuer, subject: sub },
        resources: [resource ?? []].flat() as string[],
        scope: scope as string | undefined,
        authorizationDetails: details as unknown[] | undefined,
        sender: cnf as ProvenKey | undefined,
        use: () => artifacts.insert(USED, key, { payload: {}, expiresAt: forgottenAt(claims) }, now()),
        isUsed: async () => (await artifacts.find(USED, key, now())) !== undefined,
      });
    },
  };
}
