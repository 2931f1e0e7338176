default['tokendrop']['drop'] = '/var/spool/tokendrop'
default['tokendrop']['config'] = '/etc/tokendrop/tokendrop.toml'
default['tokendrop']['group'] = 'tokendrop'
