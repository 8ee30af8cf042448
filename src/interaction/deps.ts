/** What the pages work with. */
import type { AuthenticateUser } from '../accounts/authenticate-user.ts';
import type { FirstAdministrator } from '../accounts/first-administrator.ts';
import type { PasswordChange } from '../accounts/password-change.ts';
import type { PasswordLinks } from '../accounts/password-links.ts';
import type { Agents } from '../agents/agents.ts';
import type { Directory } from '../directory/directory.ts';
import type { Users } from '../directory/users.ts';
import type { Throttle } from '../http/throttle.ts';
import type { Views } from '../http/views.ts';
import type { Interactions } from '../provider/interactions.ts';
import type { Registry } from '../registry/registry.ts';
import type { ArtifactStore, AuditLog } from '../storage/contract.ts';
import type { Refusals } from '../storage/refusals.ts';
import type { LoginLifetimes } from '../tokens/expiry.ts';
import type { Holdings } from '../tokens/holdings.ts';
import type { Forms } from './forms.ts';

export interface PageDeps {
  readonly issuer: string;
  readonly interactions: Interactions;
  readonly directory: Directory;
  readonly agents: Pick<Agents, 'find' | 'establish' | 'keep'>;
  readonly users: Pick<Users, 'findBySubject'>;
  readonly artifacts: Pick<ArtifactStore, 'find' | 'upsert' | 'remove'>;
  readonly registry: Pick<Registry, 'isAlive'>;
  readonly holdings: Holdings;
  readonly authenticateUser: AuthenticateUser;
  readonly passwordChange: PasswordChange;
  readonly passwordLinks: Pick<PasswordLinks, 'find' | 'redeem'>;
  /** Takes one change that a person makes of what is theirs, by their id. @throws TooManyAttempts */
  readonly limitPerson: (user: string) => Promise<void>;
  readonly firstAdministrator: Pick<FirstAdministrator, 'requireOpen' | 'create'>;
  readonly throttle: Pick<Throttle, 'requireAddressNotBlocked' | 'addressFailure'>;
  readonly views: Views;
  readonly forms: Forms;
  readonly audit: Pick<AuditLog, 'append'>;
  readonly refusals: Pick<Refusals, 'append'>;
  /** Seconds. */
  readonly lifetimes: LoginLifetimes & { readonly userinfoToken: number };
  /** Milliseconds. */
  readonly now: () => number;
}
