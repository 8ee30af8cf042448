/** Domains that their owners register: each becomes a resource whose tables only its resource server knows. */
import type { Author } from '../changes/author.ts';
import type { Changes } from '../changes/changes.ts';
import { AlreadyTaken, MalformedRequest } from '../errors/domain.ts';
import {
  type Application,
  type Organization,
  type Resource,
  TOKEN_OVERFLOW,
  type User,
} from '../nouns/index.ts';
import { ACCESS_TOKEN_ALG } from '../nouns/signing-algs.ts';
import { quoteName } from '../permissions/errors.ts';
import { Conflict, type DirectoryStore } from '../storage/contract.ts';
import { defined } from '../storage/defined.ts';

const DOMAIN = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,251}[A-Za-z0-9]$|^[A-Za-z0-9]$/;

/** Seconds; what is made from a connection lives as its face says. */
const TOKEN_TTL = 86_400;

export type Domains = ReturnType<typeof createDomains>;

/** @returns in lower case @throws MalformedRequest */
export function parseDomain(domain: string): string {
  if (!DOMAIN.test(domain))
    throw new MalformedRequest({ description: `${quoteName(domain)} is not a domain name.` });
  return domain.toLowerCase();
}

/** `shop.example.org` becomes `shop_example_org`. */
const channelOf = (domain: string): string => domain.toLowerCase().replace(/[^a-z0-9]/g, '_');

/** The message does not say which organization has it. */
export const domainTaken = (cause?: unknown): AlreadyTaken =>
  new AlreadyTaken(defined({ description: 'The domain is connected already.', cause }));

export interface DomainsDeps {
  readonly issuer: string;
  readonly store: Pick<DirectoryStore, 'resources'>;
  readonly changes: Pick<Changes, 'resources'>;
}

export function createDomains({ issuer, store, changes }: DomainsDeps) {
  const identifierOf = ({ name }: Organization, domain: string): string =>
    `${issuer}/resources/${name}/${encodeURIComponent(domain)}`;

  return {
    find: (organization: Organization, domain: string) =>
      store.resources.findBy('identifier', identifierOf(organization, domain)),

    /** @throws AlreadyTaken when the organization has the domain, or another one with the same channel */
    async register(
      domain: string,
      owner: User,
      { organization, application }: { organization: Organization; application: Application },
      author: Author,
    ): Promise<Resource> {
      const channel = channelOf(domain);
      if (await store.resources.findBy('channel', `${organization.id}/${channel}`)) throw domainTaken();
      try {
        return await changes.resources.create(
          {
            organization: organization.id,
            identifier: identifierOf(organization, domain),
            name: domain,
            catalogue: 'open',
            token: { format: 'jwt', ttl: TOKEN_TTL, alg: ACCESS_TOKEN_ALG, overflow: TOKEN_OVERFLOW },
            channel,
            registeredBy: application.id,
            owner: owner.id,
          },
          author,
        );
      } catch (error) {
        throw error instanceof Conflict ? domainTaken(error) : error;
      }
    },
  };
}
