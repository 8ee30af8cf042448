/** What the routes of this face call beside the token service. */
import type { AccountMails } from '../../directory/account-mails.ts';
import type { Applications } from '../../directory/applications.ts';
import type { RegisterByMail } from '../../directory/registration-by-mail.ts';
import type { Revocations } from '../../directory/revocations.ts';
import type { Users } from '../../directory/users.ts';
import type { Application, User } from '../../storage/nouns.ts';
import type { FaceTokens } from '../face.ts';
import type { CodeParts } from './code-text.ts';

export interface FusioDeps {
  readonly issuer: string;
  /** Paths below which faces are served instead of at the root, by their names. */
  readonly prefixes: Readonly<Record<string, string>>;
  readonly presentedTokens: FaceTokens;
  readonly users: Pick<Users, 'find' | 'findBySubject'>;
  readonly applications: Pick<Applications, 'findOwn' | 'register' | 'update' | 'remove' | 'showSecret'>;
  readonly revocations: Pick<Revocations, 'revokeLoginOf'>;
  readonly registerByMail: RegisterByMail;
  readonly accountMails: Pick<AccountMails, 'available' | 'activate' | 'sendPasswordReset' | 'resetPassword'>;
  /** Takes one mail that a stranger asks for from an address. @throws TooManyAttempts */
  readonly limitRegistration: (address: string) => Promise<void>;
  /** Takes one change that a person makes of what is theirs, by their id. @throws TooManyAttempts */
  readonly limitPerson: (user: string) => Promise<void>;
  readonly codes: {
    /** @param request `redirectUri` is one that the application lists, or undefined: the browser stays */
    create(request: {
      readonly user: User;
      readonly application: Application;
      readonly redirectUri: string | undefined;
      readonly scopes: readonly string[];
      readonly authTime: number | undefined;
      readonly address: string;
      readonly requestId: string;
    }): Promise<CodeParts>;
    /** Undefined for one that does not come from this API. */
    findRedirectUri(code: string): Promise<string | undefined>;
  };
}
