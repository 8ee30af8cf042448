/** Who administers: the bearer of a token for a built-in resource, or the operator at the shell. */
import type { Author } from '../../changes/author.ts';
import type { Organization } from '../../nouns/index.ts';
import { EVERYTHING, type Permissions } from '../../permissions/permissions.ts';
import { type Reach, WHOLE_SERVER } from '../../rights/reach.ts';

export interface Actor {
  /** For the audit log. */
  readonly author: Author;
  /** What counters, cursors and idempotency keys know the actor by; the same for all its tokens. */
  readonly key: string;
  /** Over the nouns, as tables of the built-in resource. */
  readonly permissions: Permissions;
  /** What it may hand out. */
  readonly reach: Reach;
  /** The one that it administers; undefined: the whole server. */
  readonly organization: Organization | undefined;
  /** Milliseconds since the epoch: when the person last proved who they are. Absent: a machine. */
  readonly authenticatedAt?: number;
  /** Changes that take a fresh login of a person are allowed without one. */
  readonly isDangerous: boolean;
}

/** The operator at the shell, who has the store itself. */
export function operatorActor(author: Author): Actor {
  return {
    author,
    key: 'shell',
    permissions: EVERYTHING,
    reach: WHOLE_SERVER,
    organization: undefined,
    isDangerous: true,
  };
}
