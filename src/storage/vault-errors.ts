/** Why the vault does not open. The messages are sentences for the operator and contain no secret. */

export abstract class VaultError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** The store was made with another master key than the one given. */
export class WrongMasterKey extends VaultError {}

/** The store has keys, but the key file in the data folder is gone. */
export class MissingMasterKey extends VaultError {}

/** A row of the key store is gone or was changed, although the master key is the right one. */
export class DamagedKeyStore extends VaultError {}

/** A sealed value does not open here: changed, moved from elsewhere, or sealed under a key that this store lacks. */
export class BrokenSeal extends VaultError {}
