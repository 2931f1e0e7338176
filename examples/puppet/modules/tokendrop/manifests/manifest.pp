# A manifest of API tokens in a drop directory whose files stay there, and its
# outcome: the resource fails with the reason where the manifest has failed.
#
# @param content what is in it; never shown if it is Sensitive
# @param source where it is taken from instead
# @param drop the drop directory
# @param group whose members may read it, the daemon among them
# @param config of tokendrop
define tokendrop::manifest (
  Enum['present', 'absent'] $ensure = 'present',
  Optional[Variant[String, Sensitive[String]]] $content = undef,
  Optional[String] $source = undef,
  String $drop = '/var/spool/tokendrop',
  String $group = 'tokendrop',
  String $config = '/etc/tokendrop/tokendrop.toml',
) {
  $path = "${drop}/${title}"
  $apply = ['tokendrop', 'apply', '--config', $config, $path]

  file { $path:
    ensure  => $ensure,
    content => $content,
    source  => $source,
    owner   => 'root',
    group   => $group,
    mode    => '0640',
  }

  # Waits for the outcome. Where it is installed, now or in an earlier run, there
  # is nothing to do.
  if $ensure == 'present' {
    exec { "apply ${path}":
      command => $apply,
      unless  => [$apply],
      path    => $facts['path'],
      require => File[$path],
    }
  }
}
