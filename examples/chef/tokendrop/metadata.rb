name 'tokendrop'
version '1.0.0'
description 'Manifests of API tokens'
chef_version '>= 16'
