/** What the provider is put together from. */
import type { Configuration, KoaContextWithOIDC } from 'oidc-provider';
import type { Agents } from '../agents/agents.ts';
import type { RecordRefused } from '../clients/refused-requests.ts';
import type { Directory } from '../directory/directory.ts';
import type { Users } from '../directory/users.ts';
import type { SigningMode } from '../keys/signatures.ts';
import type { SigningKeys } from '../keys/signing-keys.ts';
import type { Registry } from '../registry/registry.ts';
import type { Storage } from '../storage/contract.ts';
import type { PresentedTokens } from '../tokens/presented-tokens.ts';
import type { RememberedConsents } from '../tokens/remembered-consents.ts';
import type { TokenService } from '../tokens/service.ts';

/** Pages that the engine shows by itself. */
export interface EnginePages {
  readonly interactionUrl: (uid: string) => string;
  readonly renderError: NonNullable<Configuration['renderError']>;
  /** @param form the engine's own, which its button must submit */
  readonly confirmLogout: (ctx: KoaContextWithOIDC, form: string) => Promise<void>;
  readonly loggedOut: (ctx: KoaContextWithOIDC) => Promise<void>;
}

export interface ProviderDeps {
  readonly issuer: string;
  readonly storage: Storage;
  readonly directory: Directory;
  readonly agents: Pick<Agents, 'arrive' | 'find'>;
  readonly users: Users;
  readonly registry: Registry;
  readonly presentedTokens: PresentedTokens;
  readonly service: Pick<TokenService, 'grants' | 'issue' | 'keysChanged'>;
  readonly consents: RememberedConsents;
  readonly signingKeys: SigningKeys;
  readonly signingMode: SigningMode;
  readonly cookieKeys: () => readonly string[];
  readonly recordRefused: RecordRefused;
  /** Seconds. */
  readonly lifetimes: { readonly login: number; readonly session: number };
  readonly pages: EnginePages;
  /** Milliseconds. */
  readonly now: () => number;
}
