<?php
// Prints vectors as JSON lines, made by PHP's own functions. Run by make.sh.
$passwords = ['correct-horse-battery', "p\u{e4}ssw\u{f6}rd \u{1f511}", str_repeat('x', 64), str_repeat('0123456789abcdef', 8)];
function emit($format, $password, $hash) {
    echo json_encode(['madeBy' => 'PHP ' . PHP_VERSION, 'format' => $format, 'password' => $password, 'hash' => $hash], JSON_UNESCAPED_SLASHES), "\n";
}
foreach ($passwords as $password) {
    $bcrypt = password_hash($password, PASSWORD_BCRYPT, ['cost' => 4]);
    emit('php', $password, $bcrypt);
    emit('bcrypt', $password, $bcrypt);
    foreach (['PASSWORD_ARGON2I', 'PASSWORD_ARGON2ID'] as $name) {
        if (defined($name)) emit('php', $password, password_hash($password, constant($name), ['memory_cost' => 256, 'time_cost' => 2, 'threads' => 1]));
    }
    // wp_hash_password of WordPress 6.8.
    $to_hash = base64_encode(hash_hmac('sha384', trim($password), 'wp-sha384', true));
    emit('wordpress', $password, '$wp' . password_hash($to_hash, PASSWORD_BCRYPT, ['cost' => 4]));
    emit('wordpress', $password, $bcrypt);
    foreach (['sha1', 'sha256', 'sha512', 'md5'] as $format) emit($format, $password, hash($format, $password));
    emit('sha-crypt', $password, crypt($password, '$5$rounds=1000$saltstring$'));
    emit('sha-crypt', $password, crypt($password, '$6$saltstring$'));
}
