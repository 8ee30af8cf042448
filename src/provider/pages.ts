/** Pages that the engine shows by itself. */
import type { Configuration, KoaContextWithOIDC } from 'oidc-provider';

export interface EnginePages {
  readonly interactionUrl: (uid: string) => string;
  readonly renderError: NonNullable<Configuration['renderError']>;
  /** @param form the engine's own, which its button must submit */
  readonly confirmLogout: (ctx: KoaContextWithOIDC, form: string) => Promise<void>;
  readonly loggedOut: (ctx: KoaContextWithOIDC) => Promise<void>;
}
