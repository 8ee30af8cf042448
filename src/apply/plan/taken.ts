/** How a file is told that another noun has a value already. */
import { type CollectionName, type Nouns, nameOf } from '../../nouns/index.ts';

/** @param holder undefined: who asks is not told whose it is */
type Told = (value: string, holder: Nouns[CollectionName] | undefined) => string;

const whose = (holder: Nouns[CollectionName] | undefined): string =>
  holder ? `${nameOf(holder)}'s already` : 'taken';

/** Ends of sentences, by unique key. By all other keys entries find their own nouns. */
export const TAKEN: Readonly<Record<string, Told>> = {
  clientId: (clientId) => `the clientId ${clientId} is taken`,
  channel: (value) => `the channel ${value.split('/').at(-1)} is taken`,
  email: (_, holder) => `the email address is ${whose(holder)}`,
  identity: (value, holder) => {
    const [, issuer, ...subject] = value.split(' ');
    return `the identity ${subject.join(' ')} of ${issuer} is ${whose(holder)}`;
  },
};
