/**
 * What a question is about, by its keywords, and which read-only tool or command tells it. Several topics in one
 * question are asked together; one that another has answered in more detail is left out.
 */

/** Names of tools, or of whitelisted commands. */
type Topic = readonly [keywords: RegExp, names: readonly string[], coveredBy?: RegExp];

const topics: readonly Topic[] = [
  [/\binodes?\b/, ['disk_inodes']],
  [/\b(largest|biggest) files?\b/, ['largest_files']],
  [
    /\b(disks?|space|storage|filesystems?|partitions?|full)\b/,
    ['check_disk'],
    /^(disk_inodes|largest_files)$/,
  ],
  [
    /\b(eat|eating|eats|using|uses|hogs?|hogging|most|top|process|processes)\b.*\b(memory|ram)\b|\b(memory|ram)\b.*\b(hogs?|eaters?|processes)\b/,
    ['check_memory', 'top_memory_processes'],
  ],
  [/\b(memory|ram|swap|oom)\b/, ['check_memory']],
  [/\bhow many process(es)?\b|\bprocess count\b/, ['process_count']],
  [/\bprocess tree\b/, ['process_tree']],
  [
    /\b(cpu|top process(es)?|process(es)?|busy|busiest|slow)\b/,
    ['top_processes'],
    /^(process_|top_memory_processes)/,
  ],
  [/\blast logins?\b|\blogged in (last|recently|before)\b/, ['last_logins']],
  [
    /\bwho\b.*\b(logged|on)\b|\blogged.in\b|\busers? (are )?(on|online)\b/,
    ['logged_in_users'],
    /^last_logins$/,
  ],
  [/\bsudo(ers)?\b|\badmins?\b/, ['sudo_users']],
  [/\b(listening|open|ports?)\b/, ['listening_ports']],
  [/\bconnections?\b/, ['network_connections']],
  [/\b(interfaces?|ip address(es)?|nics?)\b/, ['network_interfaces']],
  [/\b(dns|resolvers?|nameservers?)\b/, ['dns_servers']],
  [/\b(routes?|routing|gateway)\b/, ['routing_table']],
  [/\bdocker networks?\b/, ['docker_networks']],
  [
    /\b(network|traffic)\b/,
    ['network_stats'],
    /^(network_|docker_networks|listening_ports|dns_servers|routing_table)/,
  ],
  [/\bimages\b/, ['docker_images']],
  [/\bvolumes?\b/, ['docker_volumes']],
  [/\b(docker|container) stats\b/, ['docker_stats']],
  [/\ball (the )?(docker )?containers\b|\bstopped containers\b/, ['docker_ps_all']],
  [/\bcontainers?\b|\bdocker\b/, ['docker_ps'], /^docker_/],
  [/\btime ?zone\b/, ['timezone']],
  [/\b(kernel|os|distribution|release)\b/, ['uname']],
  [/\bwhat (time|date)\b/, ['date']],
  [
    /\bstatus\b|\buptime\b|\bload\b|\bhostname\b|\b(server|machine|host|box) (up|alive|ok|running)\b|\bis it up\b|\bhow long\b.*\b(up|running)\b/,
    ['server_status'],
    /./,
  ],
];

/** Tools and commands that tell what is asked, at most four, in the order of the table. */
export function topicsOf(bare: string): readonly string[] {
  const taken = new Set<string>();
  for (const [keywords, names, coveredBy] of topics) {
    if (!keywords.test(bare) || [...taken].some((name) => coveredBy?.test(name))) continue;
    for (const name of names) taken.add(name);
  }
  return [...taken].slice(0, 4);
}
