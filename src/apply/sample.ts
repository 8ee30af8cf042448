/** An apply file that shows every noun; it stands in the documentation and is kept right by a test. */
export const applySample = `organizations:
  - name: acme
    default: true # one organization only; the demo has it, so leave this out there
    resources:
      - identifier: https://api.acme.example/
        name: shop-db
        tables: [{ id: orders, name: Orders }, { id: products, name: Products }]
        scopes: [orders.read]
        token: { format: jwt, ttl: 3600, alg: ES256 }
    roles:
      - name: clerk
        default: true
        scopes: [orders.read]
        permissions:
          tables:
            orders: { create: true, read: true, update: true }
    applications:
      - name: shop
        clientId: shop
        clientSecret: s3cret-of-32-or-more-characters-x # made when the application is, if left out
        grants: [client_credentials, password, refresh_token, token_exchange, database_user]
        scopes: [orders.read]
        resource: https://api.acme.example/
        permissions:
          tables:
            orders: { create: true, read: true }
            products: { read: true }
      - name: storefront
        clientId: storefront
        authMethod: none # a page in a browser
        grants: [authorization_code, refresh_token]
        redirectUris: [https://shop.acme.example/callback]
        allowedOrigins: [https://shop.acme.example]
        scopes: [openid, profile, email, offline_access, orders.read]
        realm: organization
        resource: https://api.acme.example/
        permissions: { isAdmin: true }
      - name: shop-api
        clientId: shop-api
        introspects: [https://api.acme.example/]
    users:
      - { username: ann, application: shop, password: correct-horse-battery, email: ann@acme.example, roles: [clerk] }
      - { username: bob, password: a-rather-long-sentence, roles: [clerk] }
    connections:
      - name: website
        application: shop
        lifetime: 31536000
        permissions:
          tables:
            orders: { read: true }
    datasources:
      - name: crm
        kind: sqlite # or postgres, mysql, mongodb with host, port, username, password
        file: crm.db # below <data dir>/datasources
        userTables:
          - collection: customers
            usernameColumn: email
            passwordColumn: password_hash
            passwordFormat: bcrypt
            subjectColumn: id
            activeColumn: active
            roles: [clerk]
            realm: shop
administrators:
  - { username: root, password: change-me-please-now, organizations: [acme] }
`;
