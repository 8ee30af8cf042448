/**
 * The algorithms that tokens are signed with. They are declared here, for the apply file, the nouns, the keys and the
 * metadata.
 */
export const SIGNING_ALGS = ['RS256', 'PS256', 'ES256', 'EdDSA'] as const;

export type SigningAlg = (typeof SIGNING_ALGS)[number];

/** The access tokens of a new resource, and the revocation feed, which every resource server reads. */
export const ACCESS_TOKEN_ALG = 'ES256' satisfies SigningAlg;

/** The ID tokens of a new application: the one that every OpenID Connect client knows (Core section 15.1). */
export const ID_TOKEN_ALG = 'RS256' satisfies SigningAlg;

/** In order of preference: the first one whose key may sign is used. */
export type AlgChoice = readonly SigningAlg[];

function choice(...algs: readonly SigningAlg[]): AlgChoice {
  return [...new Set(algs)];
}

/** The algorithms for the access tokens of a resource. */
export function accessTokenAlgs(token: {
  readonly alg: SigningAlg;
  readonly algsBefore?: AlgChoice;
}): AlgChoice {
  return choice(token.alg, ...(token.algsBefore ?? []), ACCESS_TOKEN_ALG);
}

/** The algorithms for the ID tokens of an application. */
export function idTokenAlgs(application: {
  readonly idTokenAlg?: SigningAlg;
  readonly idTokenAlgsBefore?: AlgChoice;
}): AlgChoice {
  const { idTokenAlg = ID_TOKEN_ALG, idTokenAlgsBefore = [] } = application;
  return choice(idTokenAlg, ...idTokenAlgsBefore, ID_TOKEN_ALG, ACCESS_TOKEN_ALG);
}

/**
 * The algorithms that sign until the key of a newly named one may.
 * @param earlier the earlier algorithms, the latest first
 */
export function algsBefore(alg: SigningAlg, earlier: AlgChoice): AlgChoice | undefined {
  const others = choice(...earlier).filter((each) => each !== alg);
  return others.length > 0 ? others : undefined;
}
