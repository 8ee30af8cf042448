/** What faces, and the mount that serves them, call of the server: its own parts whole, by the names that they have there. */
import type { Context } from 'koa';
import type { AccountMails } from '../accounts/account-mails.ts';
import type { PasswordChange } from '../accounts/password-change.ts';
import type { Register } from '../accounts/registration.ts';
import type { RegisterByMail } from '../accounts/registration-by-mail.ts';
import type { Applications } from '../changes/applications.ts';
import type { Author } from '../changes/author.ts';
import type { Revocations } from '../changes/revocations.ts';
import type { RoleChanges } from '../changes/role-changes.ts';
import type { AuthenticateClient } from '../clients/authentication.ts';
import type { RecordRefused } from '../clients/refused-requests.ts';
import type { Connections } from '../connections/connections.ts';
import type { ExchangeLimit } from '../connections/exchange-limit.ts';
import type { Directory } from '../directory/directory.ts';
import type { Users } from '../directory/users.ts';
import type { FaceName, Organization, User } from '../nouns/index.ts';
import type { RefreshJwts } from '../registry/refresh-jwt.ts';
import type { World } from '../rights/reach-of.ts';
import type { LoginRow } from '../storage/contract.ts';
import type { Refusals } from '../storage/refusals.ts';
import type { Codes } from '../tokens/codes.ts';
import type { PresentedTokens } from '../tokens/presented-tokens.ts';
import type { TokenService } from '../tokens/service.ts';

/** Paths below which faces are served instead of at the root, by their names. */
export type Prefixes = Readonly<Record<FaceName, string>>;

export interface FaceParts {
  readonly issuer: string;
  readonly prefixes: Prefixes;
  /** Milliseconds. */
  readonly now: () => number;
  /** The text of the body, of whatever type. @throws Refusal 413 */
  readonly readBody: (ctx: Context, limit: number) => Promise<string>;
  readonly directory: Directory;
  readonly tokenService: TokenService;
  readonly authenticateClient: AuthenticateClient;
  readonly presentedTokens: PresentedTokens;
  readonly refusals: Refusals;
  readonly recordRefused: RecordRefused;
  readonly refreshJwts: RefreshJwts;
  readonly codes: Codes;
  readonly connections: Connections;
  /** Ending what one visitor has is a write, so it counts as a trade. */
  readonly exchangeLimit: ExchangeLimit;
  readonly users: Users;
  /** The nouns as they are stored, for questions of who may change whom. */
  readonly world: World;
  readonly applications: Applications;
  readonly roleChanges: RoleChanges;
  readonly revocations: Revocations;
  readonly register: Register;
  readonly registerByMail: RegisterByMail;
  readonly accountMails: AccountMails;
  readonly passwordChange: PasswordChange;
  /** Those of an organization. */
  readonly findAdministrators: (organization: Organization) => Promise<readonly User[]>;
  readonly removeUser: (user: User, author: Author) => Promise<void>;
  /** Takes one registration, or one mail, that strangers asked for from an address. @throws TooManyAttempts */
  readonly limitRegistration: (address: string) => Promise<void>;
  /** Takes one change that a person makes of what is theirs, by their id. @throws TooManyAttempts */
  readonly limitPerson: (user: string) => Promise<void>;
  /** The living login that a refresh token belongs to, in whatever form it was given out. */
  readonly findLogin: (refreshToken: string) => Promise<LoginRow | undefined>;
}
