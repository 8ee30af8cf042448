/** Names of claims that operators add to access tokens: from columns of user tables, and by `claimMap` of a resource. */
import { text } from './values.ts';

/**
 * Claims that say what a token is and may do, or that verifiers read as such: RFC 7519, 7662, 9068, 8693 and 7800, OpenID
 * Connect, and our own. Nothing that an operator maps has such a name.
 */
const RESERVED_CLAIMS: ReadonlySet<string> = new Set(
  [
    'iss sub aud exp nbf iat jti',
    'active scope client_id username token_type',
    'auth_time acr amr groups roles entitlements',
    'act may_act cnf authorization_details',
    'azp nonce sid at_hash c_hash s_hash',
    'permissions org app anc as_of',
    '__proto__ constructor prototype',
  ].flatMap((names) => names.split(' ')),
);

const CLAIM_NAME = /^[A-Za-z_][A-Za-z0-9_.:/#~-]{0,127}$/;

/** It may be a URI, such as `https://hasura.io/jwt/claims`. Some verifiers read names without regard to case. */
export const claimName = text('the name of a claim', (value) => {
  if (!CLAIM_NAME.test(value)) return 'is not the name of a claim';
  return RESERVED_CLAIMS.has(value.toLowerCase()) ? 'is a claim that tokens have already' : undefined;
});
