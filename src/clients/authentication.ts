/**
 * Client authentication, once: whether the client that a request names is the one that sends it (RFC 6749 section 2.3).
 * Every endpoint and every face asks here, so the verdict, the count of wrong secrets and the reason in the audit are
 * the same everywhere. `credentials.ts` reads what was presented; `assertions.ts` judges JWTs.
 *
 * This file: the decision. It serves no routes.
 */
import { findClientSecret, hasExpired, type SecretKeys } from '../directory/client-secrets.ts';
import type { ActiveApplication, DirectoryView } from '../directory/directory.ts';
import { ClientRejected } from '../errors/domain.ts';
import { type ApplicationSecret, type AuthMethod, usesSecret } from '../nouns/index.ts';
import { quoteName } from '../permissions/errors.ts';
import type { ArtifactStore } from '../storage/contract.ts';
import { findAssertionProblem } from './assertions.ts';
import type { Credentials } from './credentials.ts';
import type { SecretUses } from './secret-uses.ts';

/** An application that has shown who it is, and how. */
export interface AuthenticatedClient extends ActiveApplication {
  readonly method: AuthMethod;
  /** The one that it presented. */
  readonly secret?: ApplicationSecret;
}

/** Where a client authenticates, and from where. */
export interface AuthenticationRequest {
  readonly view: DirectoryView;
  readonly address: string;
  /** That the request names: it tells one agent from another of the same URL. */
  readonly resource?: unknown;
  /** Whether the endpoint serves public clients. */
  readonly servesPublic: boolean;
  /** The URL of the token endpoint, at that endpoint: the audience that some older clients write. */
  readonly tokenEndpoint?: string;
  /** Told of the client that is named, if there is one, before it is believed. */
  readonly onNamed?: (named: NamedClient) => void;
}

/** A client by its id, and its ways to authenticate (RFC 7591 section 2 `token_endpoint_auth_method`). */
export interface NamedClient {
  readonly clientId: string;
  readonly used: AuthMethod;
  readonly registered: AuthMethod;
}

/** Whose guesses of a client's secret are counted. */
export interface SecretLimits {
  /** @throws TooManyAttempts */
  requireClientNotBlocked(clientId: string, address: string): void;
  clientSecretFailure(clientId: string, address: string): Promise<void>;
}

export type AuthenticateClient = ReturnType<typeof createAuthenticateClient>;

export interface ClientAuthenticationDeps {
  readonly issuer: string;
  readonly clientSecrets: SecretKeys;
  readonly limits: SecretLimits;
  readonly secretUses: Pick<SecretUses, 'record'>;
  readonly artifacts: Pick<ArtifactStore, 'insert'>;
  /** Milliseconds. */
  readonly now: () => number;
}

export function createAuthenticateClient(deps: ClientAuthenticationDeps) {
  const { issuer, clientSecrets, limits, secretUses, artifacts, now } = deps;

  /**
   * @throws ClientRejected, with the reason for the log; TooManyAttempts; both before anything is decided about what the
   *   client asks for
   */
  return async (
    { clientId, method, secrets, assertion }: Credentials,
    { view, address, resource, onNamed, servesPublic, tokenEndpoint }: AuthenticationRequest,
  ): Promise<AuthenticatedClient> => {
    const active = await view.findApplication(clientId, resource);
    const registered = active?.application.authMethod;
    if (registered) onNamed?.({ clientId, used: method, registered });
    const presentsSecret = secrets.length > 0;
    const hasSecret = registered !== undefined && usesSecret(registered);
    // A guess that is not allowed any more is refused before it is looked at. Nothing is waited for between the look at the
    // count, the guess and its counting.
    if (presentsSecret) limits.requireClientNotBlocked(clientId, address);
    // If the client does not exist or has no secret, any secret counts as wrong; otherwise the limit would tell which
    // clients exist.
    if (presentsSecret && !hasSecret) await limits.clientSecretFailure(clientId, address);
    if (!active || !registered) throw new ClientRejected({ reason: 'client not found' });
    const reject = (reason: string): ClientRejected => new ClientRejected({ reason, clientId });
    if (method !== registered && !(presentsSecret && hasSecret)) {
      throw reject(`the client used ${method}, and is registered with ${registered}`);
    }
    if (method === 'none' && !servesPublic) throw reject('the endpoint does not serve public clients');
    const { application } = active;
    if (presentsSecret) {
      const at = now();
      const secret = findClientSecret(clientSecrets, secrets, application.secrets, at);
      if (!secret || hasExpired(secret, at)) {
        await limits.clientSecretFailure(clientId, address);
        throw reject(secret ? `the secret ${quoteName(secret.name)} has expired` : 'invalid secret provided');
      }
      secretUses.record(secret.id, address);
      return { ...active, method, secret };
    }
    if (assertion !== undefined) {
      const problem = await findAssertionProblem(assertion, application, {
        issuer,
        endpoint: application.assertionAudience === 'endpoint' ? tokenEndpoint : undefined,
        used: artifacts,
        now,
      });
      if (problem !== undefined) throw reject(problem);
    }
    return { ...active, method };
  };
}
