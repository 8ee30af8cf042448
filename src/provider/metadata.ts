/** Authorization server metadata (RFC 8414): what the engine says, cut down to what is live. */
import type { Middleware } from 'koa';
import type { AlgChoices } from '../directory/alg-choices.ts';
import type { Directory } from '../directory/directory.ts';
import type { SigningKeys } from '../keys/signing-keys.ts';
import { ID_TOKEN_ALG, SIGNING_ALGS, type SigningAlg } from '../nouns/signing-algs.ts';
import { DEVICE_ACCESS } from '../permissions/device-access.ts';
import { ACT_FOR_USER } from '../tokens/grants/act-for-user.ts';
import { CONNECT } from '../tokens/grants/connect.ts';
import { DATABASE_USER } from '../tokens/grants/database-user.ts';
import { DERIVED_LOGIN } from '../tokens/grants/derived-login.ts';
import { IDENTITY_ASSERTION, IDENTITY_ASSERTION_PROFILE } from '../tokens/grants/identity-assertion.ts';
import { PATHS } from './paths.ts';

/** Grants that are advertised only while an application may use them, and what applications call them. */
const ONLY_WHILE_USED: Readonly<Record<string, string>> = {
  password: 'password',
  [DATABASE_USER]: 'database_user',
};
/** Those that the engine has and clients do not use, and those that only faces use. */
const NEVER = ['implicit', CONNECT, DERIVED_LOGIN, ACT_FOR_USER];
/** The engine sends it only to clients with logout notifications, which Grantable does not support. */
const NEVER_CLAIMED = ['sid'];

/**
 * The algorithms that may sign ID tokens, those that are named for later, and RS256 in any case (OpenID Connect Discovery
 * section 3). Those of access tokens are among them: libraries for APIs read which ones to accept from this list.
 */
function idTokenAlgsOf({ tokens }: AlgChoices, signingKeys: SigningKeys): SigningAlg[] {
  const used = tokens.flatMap((choice) => [signingKeys.active(...choice).alg, ...choice.slice(0, 1)]);
  const algs = new Set<SigningAlg>([ID_TOKEN_ALG, ...used]);
  return SIGNING_ALGS.filter((alg) => algs.has(alg));
}

/** Authentication methods where public clients are not served: introspection and the revocation feed. */
const authenticating = (methods: readonly string[]): string[] =>
  methods.filter((method) => method !== 'none');

/** The members of the engine's metadata that this changes. */
interface EngineMetadata {
  readonly grant_types_supported: readonly string[];
  readonly claims_supported: readonly string[];
  readonly authorization_details_types_supported: readonly string[];
  readonly token_endpoint_auth_methods_supported: readonly string[];
  readonly token_endpoint_auth_signing_alg_values_supported: readonly string[];
}

interface MetadataDeps {
  readonly directory: Pick<Directory, 'view'>;
  readonly signingKeys: SigningKeys;
  readonly issuer: string;
}

async function describe(
  engine: EngineMetadata,
  { directory, signingKeys, issuer }: MetadataDeps,
): Promise<Record<string, unknown>> {
  const view = await directory.view();
  const [used, usesDevices, trustsIssuers, agents] = await Promise.all([
    view.grantsInUse(),
    view.usesDevices(),
    view.trustsIssuers(),
    view.agentsInUse(),
  ]);
  const acceptsAssertions = trustsIssuers && used.has('identity_assertion');
  const isLive = (grant: string): boolean => {
    if (grant === IDENTITY_ASSERTION) return acceptsAssertions;
    const name = ONLY_WHILE_USED[grant];
    return !NEVER.includes(grant) && (name === undefined || used.has(name));
  };
  const {
    token_endpoint_auth_methods_supported: methods,
    token_endpoint_auth_signing_alg_values_supported: assertionAlgs,
  } = engine;
  return {
    ...engine,
    ...(agents.has('registered') && { registration_endpoint: issuer + PATHS.registration }),
    grant_types_supported: engine.grant_types_supported.filter(isLive),
    // draft-ietf-oauth-identity-assertion-authz-grant section 7.2.
    ...(acceptsAssertions && { authorization_grant_profiles_supported: [IDENTITY_ASSERTION_PROFILE] }),
    id_token_signing_alg_values_supported: idTokenAlgsOf(await view.algChoices(), signingKeys),
    // Agents would send people to a page that refuses them.
    client_id_metadata_document_supported: agents.has('document') || undefined,
    // A fragment is refused, see `authorization-request.ts`.
    response_modes_supported: ['query', 'form_post'],
    prompt_values_supported: ['none', 'login', 'consent', 'select_account'],
    claims_supported: engine.claims_supported.filter((claim) => !NEVER_CLAIMED.includes(claim)),
    authorization_details_types_supported: engine.authorization_details_types_supported.filter(
      (type) => type !== DEVICE_ACCESS || usesDevices,
    ),
    introspection_endpoint_auth_methods_supported: authenticating(methods),
    introspection_endpoint_auth_signing_alg_values_supported: assertionAlgs,
    revocation_endpoint_auth_methods_supported: methods,
    revocation_endpoint_auth_signing_alg_values_supported: assertionAlgs,
  };
}

export function createMetadata(deps: MetadataDeps): Middleware {
  return async function metadata(ctx, next) {
    await next();
    const body = ctx.body as EngineMetadata | undefined;
    if (ctx.status !== 200 || !body?.grant_types_supported) return;
    ctx.body = await describe(body, deps);
  };
}

/** Policy decision point metadata (AuthZEN Authorization API 1.0). Searches are not offered, so they are left out. */
export function createAuthzenMetadata({ issuer }: { readonly issuer: string }): Middleware {
  const metadata = {
    policy_decision_point: issuer,
    access_evaluation_endpoint: issuer + PATHS.access_evaluation,
    access_evaluations_endpoint: issuer + PATHS.access_evaluations,
  };
  return async function authzenMetadata(ctx) {
    ctx.body = metadata;
  };
}
